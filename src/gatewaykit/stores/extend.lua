-- UpdateUsage: leaves a key of a quota so many requests in the window that runs. Kept as decide.lua says.
--
-- KEYS: the key of the quota; after it, for a quota with an offset, that of the window it began in.
-- ARGV: start of the window, day, limit, offset, what to leave, milliseconds to the end of the window, and for how long
-- at least the days are kept.

local start, day, limit, offset, remaining = unpack(ARGV, 1, 5)
local charged, forgiven, kept = 0, 0, redis.call('HGET', KEYS[1], 'now')
day = tonumber(day)
if kept then
  local at, was, last, forgave = string.match(kept, '^(%S+) (%S+) (%S+) (%S+)$')
  if tonumber(start) <= tonumber(at) then start, charged = at, tonumber(was) end
  if day > tonumber(last) then
    redis.call('HSET', KEYS[1], last, was .. ' ' .. forgave)
  else
    day, forgiven = tonumber(last), tonumber(forgave)
  end
end
limit = tonumber(limit)
if KEYS[2] then
  redis.call('SET', KEYS[2], start, 'EX', 34560000, 'NX')
  if tonumber(redis.call('GET', KEYS[2])) == tonumber(start) then limit = math.max(0, limit - tonumber(offset)) end
end
local after = limit - tonumber(remaining)
redis.call('HSET', KEYS[1], 'now', string.format('%s %.0f %.0f %.0f', start, after, day, forgiven + charged - after))
redis.call('PEXPIRE', KEYS[1], string.format('%.0f', math.max(tonumber(ARGV[6]), tonumber(ARGV[7]))))
return 1

-- Requests in flight. A key is a sorted set of holders, each with the microsecond at which its permit ends by itself.
--
-- KEYS[1]: the key. ARGV: "enter" | "look" | "leave", the holder, the most at once, for how many microseconds at most.
-- "enter" and "look" give {1 or 0, how many are under way}; "leave" gives how many permits it gave back.

if ARGV[1] == 'leave' then return redis.call('ZREM', KEYS[1], ARGV[2]) end

local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]
local gone = string.format('%.0f', now)
local many
if ARGV[1] == 'enter' then
  redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', gone)
  many = redis.call('ZCARD', KEYS[1])
else
  many = redis.call('ZCOUNT', KEYS[1], '(' .. gone, '+inf')
end
if many >= tonumber(ARGV[3]) then return { 0, many } end
if ARGV[1] == 'enter' then
  redis.call('ZADD', KEYS[1], string.format('%.0f', now + ARGV[4]), ARGV[2])
  redis.call('PEXPIRE', KEYS[1], string.format('%.0f', ARGV[4] / 1000 + 1000))
end
return { 1, many + 1 }

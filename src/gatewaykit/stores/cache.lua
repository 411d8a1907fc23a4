-- Cached responses: what is more than one read. Times are the server's, claims are numbers of one counter a space.
--
-- What is gone is published, as the space, a blank, and the key or *.
--
-- A server that is short of memory may take what has a time to live. That are the entries, and what a claim is refused
-- without; never the names, so what is purged is gone.
--
-- KEYS[1]: the space, which all its keys begin with. ARGV[1]: the verb; its arguments follow.
--   e KEY [: VARIANT]   an entry          c ID : N      the Nth piece of a large body
--   v KEY               its variants      f KEY         the newest claim of a key, or the number its drop took
--   h KEY               who holds it      n, floor      the counter, and the claims that no longer count
--   t TAG               names of entries  u, x          names of entries by address, and by the end of their time
--   a                   of each name: e or m (a marker, which is no response) with its address, and its tags
-- The name of an entry is KEY [: VARIANT].

local space, verb = KEYS[1], ARGV[1]
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)

-- Forgets an entry, and gives e or m where there was one.
local function forget(name)
  local kept = redis.call('GETRANGE', space .. 'e' .. name, 0, 20)
  local lost = { space .. 'e' .. name }
  if string.byte(kept, 1) == 1 then
    local pieces = string.byte(kept, 2) * 16777216 + string.byte(kept, 3) * 65536 + string.byte(kept, 4) * 256 + string.byte(kept, 5)
    for piece = 0, math.min(pieces, 4000) - 1 do lost[#lost + 1] = space .. 'c' .. string.sub(kept, 6) .. ':' .. piece end
  end
  redis.call('UNLINK', unpack(lost))
  redis.call('ZREM', space .. 'x', name)
  local key, variant = string.match(name, '^(.*):(.*)$')
  if key then redis.call('SREM', space .. 'v' .. key, variant) end
  local told = redis.call('HGET', space .. 'a', name)
  local mark = 'e'
  if told then
    redis.call('HDEL', space .. 'a', name)
    mark = string.sub(told, 1, 1)
    local first = true
    for text in string.gmatch(told, '[^%z]+') do
      if first then
        redis.call('ZREM', space .. 'u', string.sub(text, 2) .. '\0' .. name)
        first = false
      else
        redis.call('SREM', space .. 't' .. text, name)
      end
    end
  end
  return #kept > 0 and mark
end

local function gone(key)
  -- an error is that this user may not: then it may not listen either, and nobody trusts what it does not hear
  redis.pcall('PUBLISH', string.match(space, '^(.*:)[^:]*:$') .. 'gone', space .. ' ' .. key)
end

local function number() return redis.call('INCR', space .. 'n') end

-- A server that is full refuses the first write of a script if it needs memory, and then no other: what forgets goes on.
local function forgets() redis.call('DEL', space .. '-') end

if verb == 'claim' then
  local key, hold = ARGV[2], ARGV[3]
  if redis.call('EXISTS', space .. 'h' .. key) == 1 then return 0 end
  local claim = number()
  redis.call('SET', space .. 'h' .. key, claim, 'PX', hold)
  redis.call('SET', space .. 'f' .. key, claim, 'PX', math.max(hold * 2, 600000))
  return claim
elseif verb == 'release' then
  if redis.call('GET', space .. 'h' .. ARGV[2]) == ARGV[3] then redis.call('DEL', space .. 'h' .. ARGV[2]) end
  return 1
elseif verb == 'put' then
  -- put, KEY, VARIANT, the claim, milliseconds, e or m, the url, the value, how many pieces, the tags
  local key, variant, claim, keep = ARGV[2], ARGV[3], tonumber(ARGV[4]), ARGV[5]
  number() -- a server that is full refuses this
  if claim > 0 then
    local newest = redis.call('GET', space .. 'f' .. key)
    if not newest or claim < tonumber(newest) then return 0 end
    if claim <= tonumber(redis.call('GET', space .. 'floor') or 0) then return 0 end
  end
  local name = variant == '' and key or key .. ':' .. variant
  if forget(name) then gone(key) end
  if variant ~= '' then redis.call('SADD', space .. 'v' .. key, variant) end
  redis.call('SET', space .. 'e' .. name, ARGV[8], 'PX', keep)
  redis.call('ZADD', space .. 'x', now + keep, name)
  local told = { ARGV[6] .. ARGV[7] }
  for at = 9, #ARGV do told[#told + 1] = ARGV[at] end
  redis.call('HSET', space .. 'a', name, table.concat(told, '\0'))
  redis.call('ZADD', space .. 'u', 0, ARGV[7] .. '\0' .. name)
  for at = 9, #ARGV do redis.call('SADD', space .. 't' .. ARGV[at], name) end
  if redis.call('GET', space .. 'h' .. key) == ARGV[4] and ARGV[6] == 'e' then redis.call('DEL', space .. 'h' .. key) end
  for _, over in ipairs(redis.call('ZRANGEBYSCORE', space .. 'x', '-inf', now, 'LIMIT', 0, 20)) do forget(over) end
  return 1
elseif verb == 'drop' then
  forgets()
  redis.call('SET', space .. 'f' .. ARGV[2], number() + 1, 'PX', 600000)
  redis.call('INCR', space .. 'n')
  redis.call('DEL', space .. 'h' .. ARGV[2])
  forget(ARGV[2])
  for _, variant in ipairs(redis.call('SMEMBERS', space .. 'v' .. ARGV[2])) do forget(ARGV[2] .. ':' .. variant) end
  gone(ARGV[2])
  return 1
elseif verb == 'spoilt' then
  -- spoilt, the name, the digest of what could not be read: by now another entry may stand there
  local value = redis.call('GET', space .. 'e' .. ARGV[2])
  if value and redis.sha1hex(value) == ARGV[3] then forget(ARGV[2]) end
  return 1
elseif verb == 'purge' then
  -- purge, tag or prefix, which: a batch of it; gives how many responses these were, and whether there may be more
  forgets()
  redis.call('SET', space .. 'floor', number())
  local names = {}
  if ARGV[2] == 'tag' then
    names = redis.call('SPOP', space .. 't' .. ARGV[3], 1000)
  else
    for _, row in ipairs(redis.call('ZRANGEBYLEX', space .. 'u', '[' .. ARGV[3], '[' .. ARGV[3] .. '\255\255\255', 'LIMIT', 0, 1000)) do
      names[#names + 1] = string.sub(row, string.find(row, '\0', 1, true) + 1)
    end
  end
  local many = 0
  for _, name in ipairs(names) do
    if forget(name) == 'e' then many = many + 1 end
  end
  gone('*')
  return { many, #names }
elseif verb == 'flush' then
  forgets()
  redis.call('SET', space .. 'floor', number())
  local names = redis.call('ZRANGE', space .. 'x', 0, 999)
  for _, name in ipairs(names) do forget(name) end
  gone('*')
  return { 0, #names }
elseif verb == 'use' then
  local names = redis.call('ZRANGEBYSCORE', space .. 'x', '(' .. now, '+inf', 'LIMIT', ARGV[2], 1000)
  local entries, bytes = 0, 0
  for _, name in ipairs(names) do
    local size = redis.call('STRLEN', space .. 'e' .. name)
    if size > 0 and string.sub(redis.call('HGET', space .. 'a', name) or 'e', 1, 1) == 'e' then entries = entries + 1 end
    bytes = bytes + size
  end
  return { entries, bytes, #names }
end
return redis.error_reply('no such verb')

-- One decision over any number of limits, all or none, on the server's clock. The steps are those of core/throttle.py,
-- core/quota.py and core/window.py; a shared table of cases and property tests prove them equal.
--
-- KEYS: for each limit its key, and after it, for a quota with an offset, the key of the window it began in.
-- ARGV: "1" to take, "0" to look, "2" to charge: to take what may not be there, or give back, "3" to take a slice: as
--       many as all of them have, one at least, of buckets only; the time in whole microseconds, or "" for the server's;
--       how many tokens, or at most how many; then for each limit
--       "BUCKET", microseconds between two tokens, burst (or burst and patience: the microseconds that one waits) or    "DAY" | "WEEK" | "MONTH", limit, offset    or
--       "fixed" | "moving" | "sliding", limit, microseconds of the window.
-- Gives for each limit two integers: what is left after this request (0 or more), or, where it is refused, less than 0:
-- the microseconds to wait for a bucket or a window (NEVER: for ever), -1 for a quota; and the microseconds until a
-- quota's period ends, or a window is all there again. For a slice one more: how many tokens it was.
--
-- A bucket is kept as "time owed": at that time its tokens were this many microseconds from being all there. Time is
-- whole microseconds; the interval need not be (three a second), and what is owed is small, so a double holds it.
-- A moving window is kept as its instants, 8 bytes each, the oldest first. Those that count no longer are cut off when
-- they are more than half, so a key has at most 16 bytes x limit, and a decision is a binary search.

-- A quota is kept as a hash. Its field "now" is "start of the window, charged, day, forgiven on that day"; each earlier
-- day on which the key came has a field of its number, "charged forgiven": what usage is read from. So counting on the
-- same day is one read and one write. KEPT is that of core/usage.py.

local TOLERANCE, DAY, LAST, FORGET, KEPT, NEVER = 1e-3, 86400, 253370764800, 400 * 86400, 123, -9007199254740992
local floor, ceil, max, min, format = math.floor, math.ceil, math.max, math.min, string.format

local taking, forced, slice = ARGV[1] ~= '0', ARGV[1] == '2', ARGV[1] == '3'
local now, spare, cost = tonumber(ARGV[2]), 3600000, tonumber(ARGV[3])
if not now then
  local time = redis.call('TIME')
  now, spare = time[1] * 1000000 + time[2], 1000
end

local function first_of_month(days)
  local z = days + 719468
  local doe = z % 146097
  local yoe = floor((doe - floor(doe / 1460) + floor(doe / 36524) - floor(doe / 146096)) / 365)
  local doy = doe - (365 * yoe + floor(yoe / 4) - floor(yoe / 100))
  local month = floor((5 * doy + 2) / 153)
  return days - (doy - floor((153 * month + 2) / 5))
end

local function window(period, seconds)
  local days = floor(min(max(0, seconds), LAST) / DAY)
  if period == 'DAY' then return days * DAY, (days + 1) * DAY end
  if period == 'WEEK' then
    days = floor((days - 4) / 7) * 7 + 4
    return days * DAY, (days + 7) * DAY
  end
  days = first_of_month(days)
  return days * DAY, first_of_month(days + 32) * DAY
end

local function two(text)
  local space = string.find(text, ' ', 1, true)
  return tonumber(string.sub(text, 1, space - 1)), tonumber(string.sub(text, space + 1))
end

local writes, answers, all = {}, {}, true

local function owing(key)
  local kept = redis.call('GET', key)
  if not kept then return 0, now end
  local at, owed = two(kept)
  return max(0, owed - max(0, now - at)), at
end

local function bucket(key, interval, burst, patience)
  local owed, at = owing(key)
  local left = burst - cost - owed / interval
  local wait = left < -TOLERANCE and -left * interval or 0
  if wait > patience and not forced or cost > burst and not forced then
    if now < at and taking then -- the clock was set back: that gives nothing, and nobody waits until it is there again
      redis.call('SET', key, format('%.0f %.17g', now, owed), 'PX', min(ceil(owed / 1000) + spare, 315360000000))
    end
    if cost > burst then return NEVER, 0 end
    return min(-1, -ceil(wait)), 0
  end
  owed = max(0, owed + cost * interval)
  writes[#writes + 1] = { key, format('%.0f %.17g', now, owed), min(ceil(owed / 1000) + spare, 315360000000) }
  return max(0, floor(left + TOLERANCE)), ceil(wait)
end

local function quota(key, first_key, period, limit, offset)
  local whole = limit
  local seconds = floor(now / 1000000)
  local start, stop = window(period, seconds)
  local day, forgiven, used, over, expires = window('DAY', seconds) / DAY, 0, 0, nil, true
  local kept = redis.call('HGET', key, 'now')
  if kept then
    local at, charged, last, forgave = string.match(kept, '^(%S+) (%S+) (%S+) (%S+)$')
    at, last = tonumber(at), tonumber(last)
    if start <= at then
      start, used = at, tonumber(charged)
      local _
      _, stop = window(period, at)
    end
    if day > last then
      over = { last, charged .. ' ' .. forgave }
    else
      day, forgiven, expires = last, forgave, false
    end
  end
  if first_key then
    local first = redis.call('GET', first_key)
    if not first then
      first = start
      if taking then redis.call('SET', first_key, format('%.0f', start), 'EX', FORGET) end
    elseif taking and used == 0 then
      redis.call('EXPIRE', first_key, FORGET)
    end
    if tonumber(first) == start then limit = max(0, limit - offset) end
  end
  local reset = max(0, stop * 1000000 - now)
  if used + cost > limit and not forced then return cost > whole and NEVER or -1, reset end
  used = max(min(0, used), used + cost)
  local text = format('%.0f %.0f %.0f %s', start, used, day, forgiven)
  writes[#writes + 1] = { key, text, expires and ceil(reset / 1000) + spare, day, over }
  return limit - used, reset
end

local function counted(key, length)
  local number = floor(now / length)
  local kept = redis.call('GET', key)
  if not kept then return number, 0, 0 end
  local at, used, before = string.match(kept, '^(%S+) (%S+) (%S+)$')
  at, used, before = tonumber(at), tonumber(used), tonumber(before)
  if number > at + 1 then return number, 0, 0 end
  if number > at then return number, 0, used end
  return at, used, before
end

local function fixed(key, limit, length)
  local number, used = counted(key, length)
  local reset = (number + 1) * length - now
  if used + cost > limit and not forced then return cost > limit and NEVER or -reset, reset end
  writes[#writes + 1] = { key, format('%.0f %.0f 0', number, max(0, used + cost)), ceil(reset / 1000) + spare }
  return limit - used - cost, reset
end

local function sliding(key, limit, length)
  local number, used, before = counted(key, length)
  local ends = (number + 1) * length - now
  local left = limit - cost - used - before * min(ends, length) / length
  local allowed = left >= -TOLERANCE or forced
  local after = allowed and max(0, used + cost) or used
  local reset = after > 0 and ends + length or before > 0 and ends or 0
  if allowed then
    writes[#writes + 1] = { key, format('%.0f %.0f %.0f', number, after, before), ceil((ends + length) / 1000) + spare }
    return floor(left + TOLERANCE), reset
  end
  if cost > limit then return NEVER, reset end
  local free, wait = limit - cost - used
  if free >= 0 then
    wait = ends - length * free / before
  else
    wait = ends + length * max(0, 1 - (limit - cost) / used)
  end
  return min(-1, -ceil(wait)), reset
end

local function moving(key, limit, length)
  local many = redis.call('STRLEN', key) / 8
  local function instant(place) return (struct.unpack('>d', redis.call('GETRANGE', key, place * 8, place * 8 + 7))) end
  local last = many > 0 and instant(many - 1) or now
  local here = max(now, last)
  local gone, high = 0, many
  if many > 0 and instant(0) > here - length then high = 0 end
  while gone < high do
    local middle = floor((gone + high) / 2)
    if instant(middle) <= here - length then gone = middle + 1 else high = middle end
  end
  local left = limit - (many - gone) - cost
  if left < 0 and not forced then
    local reset = many > gone and last + length - now or 0
    if cost > limit then return NEVER, reset end
    return min(-1, -(instant(gone - left - 1) + length - now)), reset
  end
  local more = string.rep(struct.pack('>d', here), max(0, min(cost, limit)))
  local ttl = ceil((here - now + length) / 1000) + spare
  if gone * 2 > many or cost < 0 then
    local stop = many + min(0, cost)
    local live = stop > gone and redis.call('GETRANGE', key, gone * 8, stop * 8 - 1) or ''
    writes[#writes + 1] = { key, live .. more, ttl }
  else
    writes[#writes + 1] = { key, more, ttl, append = true }
  end
  return left, (cost > 0 and here or many > gone and last or now - length) + length - now
end

local windows = { fixed = fixed, moving = moving, sliding = sliding }

-- A day is over: its field is written, and those go that are too old. What nobody reads usage of goes with its window.
local function turn(key, expires, day, over)
  if over then
    redis.call('HSET', key, over[1], over[2])
    for _, field in ipairs(redis.call('HKEYS', key)) do
      if field ~= 'now' and tonumber(field) <= day - KEPT then redis.call('HDEL', key, field) end
    end
  end
  if string.find(key, '^[^}]*}:usage:') then expires = max(expires, KEPT * DAY * 1000) end
  redis.call('PEXPIRE', key, format('%.0f', expires))
end

if slice then
  for number = 4, #ARGV, 3 do
    local interval, burst = tonumber(ARGV[number + 1]), tonumber(ARGV[number + 2])
    cost = min(cost, floor(burst - owing(KEYS[(number - 1) / 3]) / interval + TOLERANCE))
  end
  cost = max(1, cost)
end

local at = 1
for number = 4, #ARGV, 3 do
  local kind, a, b = ARGV[number], tonumber(ARGV[number + 1]), tonumber(ARGV[number + 2])
  local left, reset
  if kind == 'BUCKET' then
    local patience = 0
    if not b then b, patience = two(ARGV[number + 2]) end
    left, reset = bucket(KEYS[at], a, b, patience)
  elseif windows[kind] then
    left, reset = windows[kind](KEYS[at], a, b)
  else
    local first_key = b > 0 and KEYS[at + 1] or nil
    left, reset = quota(KEYS[at], first_key, kind, a, b)
    if first_key then at = at + 1 end
  end
  at = at + 1
  all = all and left >= 0
  answers[#answers + 1] = left
  answers[#answers + 1] = reset
end

if taking and (all or forced) then
  for _, write in ipairs(writes) do
    if write[4] then
      redis.call('HSET', write[1], 'now', write[2])
      if write[3] then turn(write[1], write[3], write[4], write[5]) end
    elseif write.append then
      redis.call('APPEND', write[1], write[2])
      redis.call('PEXPIRE', write[1], format('%.0f', write[3]))
    else
      redis.call('SET', write[1], write[2], 'PX', format('%.0f', write[3]))
    end
  end
end
if slice then answers[#answers + 1] = cost end
return answers

-- One decision over any number of limits, all or none, on the server's clock. The steps are those of core/throttle.py
-- and core/quota.py; a shared table of cases and a property test prove them equal.
--
-- KEYS: for each limit its key, and after it, for a quota with an offset, the key of the window it began in.
-- ARGV: "1" to take or "0" to look; the time in whole microseconds, or "" for the server's; then for each limit
--       "BUCKET", microseconds between two tokens, burst    or    "DAY" | "WEEK" | "MONTH", limit, offset.
-- Gives for each limit two integers: what is left after this request (0 or more), or, where it is refused, less than 0:
-- the microseconds to wait for a bucket, -1 for a quota; and the microseconds to the end of a quota's window.
--
-- A bucket is kept as "time owed": at that time its tokens were this many microseconds from being all there. Time is
-- whole microseconds; the interval need not be (three a second), and what is owed is small, so a double holds it.

-- A quota is kept as a hash. Its field "now" is "start of the window, charged, day, forgiven on that day"; each earlier
-- day on which the key came has a field of its number, "charged forgiven": what usage is read from. So counting on the
-- same day is one read and one write. KEPT is that of core/usage.py.

local TOLERANCE, DAY, LAST, FORGET, KEPT = 1e-3, 86400, 253370764800, 400 * 86400, 123
local floor, ceil, max, min, format = math.floor, math.ceil, math.max, math.min, string.format

local taking, now, spare = ARGV[1] == '1', tonumber(ARGV[2]), 3600000
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

local function bucket(key, interval, burst)
  local owed = 0
  local kept = redis.call('GET', key)
  if kept then
    local at, owing = two(kept)
    owed = max(0, owing - max(0, now - at))
  end
  local left = burst - 1 - owed / interval
  if left < -TOLERANCE then return min(-1, -ceil(-left * interval)), 0 end
  owed = owed + interval
  writes[#writes + 1] = { key, format('%.0f %.17g', now, owed), min(ceil(owed / 1000) + spare, 315360000000) }
  return floor(left + TOLERANCE), 0
end

local function quota(key, first_key, period, limit, offset)
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
  if used >= limit then return -1, reset end
  local text = format('%.0f %.0f %.0f %s', start, used + 1, day, forgiven)
  writes[#writes + 1] = { key, text, expires and ceil(reset / 1000) + spare, day, over }
  return limit - used - 1, reset
end

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

local at = 1
for number = 3, #ARGV, 3 do
  local kind, a, b = ARGV[number], tonumber(ARGV[number + 1]), tonumber(ARGV[number + 2])
  local left, reset
  if kind == 'BUCKET' then
    left, reset = bucket(KEYS[at], a, b)
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

if taking and all then
  for _, write in ipairs(writes) do
    if write[4] then
      redis.call('HSET', write[1], 'now', write[2])
      if write[3] then turn(write[1], write[3], write[4], write[5]) end
    else
      redis.call('SET', write[1], write[2], 'PX', format('%.0f', write[3]))
    end
  end
end
return answers

-- Idempotency keys; the steps are those of core/idempotency.py, on the server's clock: a key's time is its time to live.
--
-- KEYS[1]: the key. ARGV[1]: the verb.
-- "begin", request, holder, milliseconds | "look", request: gives {"START"} | {"BUSY", milliseconds left} | {"MISMATCH"} |
--   {"REPLAY", answer}.
-- "finish", holder, answer, milliseconds | "release", holder: gives 1, or 0 where the key is not this holder's.
--
-- A value is the request's digest (32 bytes), the holder (16 bytes, or zeros once there is an answer), the answer.

local key, verb = KEYS[1], ARGV[1]
local kept = redis.call('GET', key)

if verb == 'begin' or verb == 'look' then
  if not kept then
    if verb == 'begin' then redis.call('SET', key, ARGV[2] .. ARGV[3], 'PX', ARGV[4]) end
    return { 'START' }
  end
  if string.sub(kept, 1, 32) ~= ARGV[2] then return { 'MISMATCH' } end
  if string.sub(kept, 33, 48) ~= string.rep('\0', 16) then return { 'BUSY', redis.call('PTTL', key) } end
  return { 'REPLAY', string.sub(kept, 49) }
end

if not kept or string.sub(kept, 33, 48) ~= ARGV[2] then return 0 end
if verb == 'finish' then
  redis.call('SET', key, string.sub(kept, 1, 32) .. string.rep('\0', 16) .. ARGV[3], 'PX', ARGV[4])
else
  redis.call('DEL', key)
end
return 1

-- The head of all scripts that look at a lease. ARGV[1] is the value of a lease of this key and of the
-- owner who asks; its first 40 bytes are the same for all owners.

-- Returns who has it; nil if that is nobody; or nil and the server's error. What no store puts there
-- is nobody's: another type or layout, something without an end, or with one that is further away than
-- the longest lease's.
local function holder()
  local value = redis.pcall('GET', KEYS[1])
  if type(value) == 'table' and value.err and not string.find(value.err, 'WRONGTYPE', 1, true) then
    return nil, value
  end
  if type(value) ~= 'string' then return nil end
  if string.sub(value, 1, 40) ~= string.sub(ARGV[1], 1, 40) then return nil end
  local left = redis.call('PTTL', KEYS[1])
  if left < 0 or left > 600000 then return nil end
  return value
end

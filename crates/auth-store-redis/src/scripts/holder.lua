-- The head of all scripts that read a lease. ARGV[1] is the value of a lease of this key and of the
-- owner that asks; its first 40 bytes are the same for all owners.

-- Returns the owner; nil if the lease is free; or nil and the server's error. A value that is not a
-- lease of this store counts as free: another type or layout, a value without an expiry, or with an
-- expiry later than the longest lease.
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

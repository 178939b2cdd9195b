-- The head of all scripts that look at a lease.

-- Returns who has it; nil if that is nobody, or nobody who will ever lose it, which no store does;
-- or nil and the server's error.
local function holder()
  local value = redis.pcall('GET', KEYS[1])
  if type(value) == 'table' and value.err and not string.find(value.err, 'WRONGTYPE', 1, true) then
    return nil, value
  end
  if type(value) ~= 'string' or redis.call('PTTL', KEYS[1]) < 0 then return nil end
  return value
end

-- The head of all scripts that read an entry. ARGV[1] holds the first 40 bytes of each entry of
-- this key; 16 bytes of version follow, 8 bytes of time to live, and the content.

-- Returns the entry and its remaining time to live in milliseconds; nil if there is no entry, or if
-- the value is not an entry of this store; or nil, nil and the server's error.
local function entry()
  local value = redis.pcall('GET', KEYS[1])
  if type(value) == 'table' and value.err and not string.find(value.err, 'WRONGTYPE', 1, true) then
    return nil, nil, value
  end
  if type(value) ~= 'string' or #value < 64 or #value > 1048640 then return nil end
  if string.sub(value, 1, 40) ~= ARGV[1] then return nil end
  -- A value without an expiry is not an entry of this store, and its age is not known.
  local left = redis.call('PTTL', KEYS[1])
  if left < 0 then return nil end
  return value, left
end

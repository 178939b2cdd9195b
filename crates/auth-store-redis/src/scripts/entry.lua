-- The head of all scripts that look at an entry. ARGV[1] is what each of this key's entries begins
-- with, 40 bytes; 16 bytes of version follow, 8 of life, and the content.

-- Returns the entry and how many milliseconds of its life are left; nil for nothing, and for
-- whatever no store put there; or nil, nil and the server's error.
local function entry()
  local value = redis.pcall('GET', KEYS[1])
  if type(value) == 'table' and value.err and not string.find(value.err, 'WRONGTYPE', 1, true) then
    return nil, nil, value
  end
  if type(value) ~= 'string' or #value < 64 or #value > 1048640 then return nil end
  if string.sub(value, 1, 40) ~= ARGV[1] then return nil end
  -- One without an end is none of ours, and nobody could tell how old it is.
  local left = redis.call('PTTL', KEYS[1])
  if left < 0 then return nil end
  return value, left
end

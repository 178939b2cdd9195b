-- ARGV[2]: the version that must be stored, or empty; ARGV[3]: the new entry; ARGV[4]: its time to
-- live.
local value, _, failed = entry()
if failed then return failed end
local there = value and string.sub(value, 41, 56) or ''
if there ~= ARGV[2] then
  -- A second try, after the answer to the first was lost.
  return value == ARGV[3] and 1 or 0
end
if ARGV[4] == '0' then
  redis.call('DEL', KEYS[1])
else
  redis.call('SET', KEYS[1], ARGV[3], 'PX', ARGV[4])
end
return 1

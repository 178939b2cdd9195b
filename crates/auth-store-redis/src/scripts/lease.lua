-- ARGV[2]: the time to live in milliseconds.
local there, failed = holder()
if failed then return failed end
if there and there ~= ARGV[1] then return 0 end
if ARGV[2] == '0' then
  redis.call('DEL', KEYS[1])
else
  redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
end
return 1

local there, failed = holder()
if failed then return failed end
if there == ARGV[1] then redis.call('DEL', KEYS[1]) end
return 1

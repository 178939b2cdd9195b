local value, left, failed = entry()
if failed then return failed end
if not value then return false end
return {value, left}

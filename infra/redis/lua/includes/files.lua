-- Files of a tenant: `list` has them by expiry, `sizes` has their bytes, of all under ''.
local function forget_file(list, sizes, id)
  local size = redis.call('HGET', sizes, id)
  redis.call('ZREM', list, id)
  if not size then return end
  redis.call('HDEL', sizes, id)
  redis.call('HINCRBY', sizes, '', -tonumber(size))
end

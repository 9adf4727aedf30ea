-- Stored responses of a tenant: `list` has them by expiry, `sizes` has their bytes, of all under ''.
local function forget_response(list, sizes, id)
  local size = redis.call('HGET', sizes, id)
  redis.call('ZREM', list, id)
  redis.call('ZREM', K.openResponses, id)
  if not size then return end
  redis.call('HDEL', sizes, id)
  redis.call('HINCRBY', sizes, '', -tonumber(size))
end

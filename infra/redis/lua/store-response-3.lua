-- Stores a response of a tenant, or replaces it. Deletes those that have expired, and the oldest ones beyond the tenant's bytes.
--   KEYS 1 response, 2 responses of the tenant, 3 their sizes
--   ARGV 1 id, 2 tenant, 3 id of the previous one or '', 4 JSON, 5 ms until it expires, 6 bytes of the tenant, 7 '1' while it is open
-- Out: 1
-- @include clock
-- @include responses
local id, time = ARGV[1], now()
for _, expired in ipairs(redis.call('ZRANGEBYSCORE', KEYS[2], '-inf', time)) do
  forget_response(KEYS[2], KEYS[3], expired)
end
forget_response(KEYS[2], KEYS[3], id)
redis.call('HSET', KEYS[1], 'tenant', ARGV[2], 'previous', ARGV[3], 'json', ARGV[4])
redis.call('PEXPIRE', KEYS[1], ARGV[5])
redis.call('ZADD', KEYS[2], time + ARGV[5], id)
redis.call('HSET', KEYS[3], id, #ARGV[4])
redis.call('HINCRBY', KEYS[3], '', #ARGV[4])
while tonumber(redis.call('HGET', KEYS[3], '')) > tonumber(ARGV[6]) do
  local oldest = redis.call('ZRANGE', KEYS[2], 0, 0)[1]
  if oldest == id then break end
  redis.call('DEL', P.response .. oldest)
  forget_response(KEYS[2], KEYS[3], oldest)
end
for _, key in ipairs({KEYS[2], KEYS[3]}) do redis.call('PEXPIRE', key, ARGV[5]) end
if ARGV[7] == '1' then redis.call('ZADD', K.openResponses, time, id) end
return 1

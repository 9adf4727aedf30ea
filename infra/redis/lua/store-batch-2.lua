-- Stores a new batch of a tenant.
--   KEYS 1 batch, 2 batches of the tenant
--   ARGV 1 id, 2 tenant, 3 JSON, 4 creation time in ms, 5 ms until it expires, 6 open batches that the tenant may have
-- Out: 1; 0 too many.
local open = 0
for _, id in ipairs(redis.call('ZRANGE', K.openBatches, 0, -1)) do
  if redis.call('HGET', P.batch .. id, 'tenant') == ARGV[2] then open = open + 1 end
end
if open >= tonumber(ARGV[6]) then return 0 end
redis.call('HSET', KEYS[1], 'tenant', ARGV[2], 'json', ARGV[3], 'status', 'validating')
redis.call('ZREMRANGEBYSCORE', KEYS[2], '-inf', ARGV[4] - ARGV[5])
redis.call('ZADD', KEYS[2], ARGV[4], ARGV[1])
redis.call('ZADD', K.openBatches, ARGV[4], ARGV[1])
for _, key in ipairs(KEYS) do redis.call('PEXPIRE', key, ARGV[5]) end
return 1

-- Writes what an operator set for a tenant, unless the operator's own tenant was blocked in the meantime: two operators who
-- block each other at once must not both succeed.
--   KEYS 1 record of the tenant
--   ARGV 1 tenant, 2 tenant of the operator or '' for the command line, 3.. fields and values
-- Out: 1; -9 the operator's tenant is blocked.
if ARGV[2] ~= '' and redis.call('HGET', P.tenant .. ARGV[2], 'blocked') == 'true' then return -9 end
redis.call('HSET', KEYS[1], unpack(ARGV, 3))
redis.call('SADD', K.tenants, ARGV[1])
return 1

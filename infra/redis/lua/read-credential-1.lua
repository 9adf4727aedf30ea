-- An API key together with what its tenant's operator has set.
--   KEYS 1 key
-- Out: {fields of the key, fields of its tenant}, both as HGETALL has them.
local key = redis.call('HGETALL', KEYS[1])
local tenant = redis.call('HGET', KEYS[1], 'tenant')
return {key, tenant and redis.call('HGETALL', P.tenant .. tenant) or {}}

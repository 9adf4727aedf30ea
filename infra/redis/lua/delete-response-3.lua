-- Deletes a response of a tenant.
--   KEYS 1 response, 2 responses of the tenant, 3 their sizes
--   ARGV 1 id, 2 tenant
-- Out: 1; 0 if the tenant has none of this id.
-- @include responses
if redis.call('HGET', KEYS[1], 'tenant') ~= ARGV[2] then return 0 end
redis.call('DEL', KEYS[1])
forget_response(KEYS[2], KEYS[3], ARGV[1])
return 1

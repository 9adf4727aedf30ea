-- Deletes a file of a tenant.
--   KEYS 1 file, 2 its chunks, 3 files of the tenant, 4 their sizes
--   ARGV 1 id, 2 tenant
-- Out: 1; 0 if the tenant has none of this id.
-- @include files
if redis.call('HGET', KEYS[1], 'tenant') ~= ARGV[2] then return 0 end
redis.call('DEL', KEYS[1], KEYS[2])
forget_file(KEYS[3], KEYS[4], ARGV[1])
return 1

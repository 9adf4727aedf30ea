-- Repairs damaged fair counters of a model (see includes/fair).
--   KEYS 1 fair hash of the model
--   ARGV 1 model
-- Out: how many were repaired since this was asked last, here or before a pick.
-- @include fair
repair(ARGV[1])
local repaired = redis.call('HGET', KEYS[1], 'repaired')
if repaired then redis.call('HDEL', KEYS[1], 'repaired') end
return tonumber(repaired or 0)

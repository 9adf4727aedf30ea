-- Gives a lease up at once.
--   KEYS 1 lease, 2 epoch
--   ARGV 1 `epoch:nonce`
-- Out: 1, or 0 when it was not the caller's.
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end
-- The last epoch is the lease's, or that of a plan made under it.
redis.call('HSET', KEYS[2], 'released', redis.call('HGET', KEYS[2], 'epoch'))
return redis.call('DEL', KEYS[1])

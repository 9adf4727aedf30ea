-- Gives a lease up at once.
--   KEYS 1 lease
--   ARGV 1 `epoch:nonce`
-- Out: 1, or 0 when it was not the caller's.
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end
return redis.call('DEL', KEYS[1])

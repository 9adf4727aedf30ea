-- Renews a lease that is still the caller's.
--   KEYS 1 lease
--   ARGV 1 `epoch:nonce`, 2 lease length in ms
-- Out: 1, or 0 when it is gone or another's.
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end
return redis.call('PEXPIRE', KEYS[1], ARGV[2])

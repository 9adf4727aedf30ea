-- Writes the result of a line of a batch, once.
--   KEYS 1 batch, 2 bits of its lines, 3 chunks of the file of results
--   ARGV 1 line, from 0, 2 field that counts it and 3 field that counts its bytes, 4 result, 5 ms until bits and results expire
-- Out: 1; 0 if the line has its result, or the batch is gone.
if redis.call('EXISTS', KEYS[1]) == 0 or redis.call('SETBIT', KEYS[2], ARGV[1], 1) == 1 then return 0 end
redis.call('RPUSH', KEYS[3], ARGV[4])
redis.call('HINCRBY', KEYS[1], ARGV[2], 1)
redis.call('HINCRBY', KEYS[1], ARGV[3], #ARGV[4])
redis.call('PEXPIRE', KEYS[2], ARGV[5])
redis.call('PEXPIRE', KEYS[3], ARGV[5])
return 1

-- Gives a running request back to its queue; its charge stays. Its BullMQ job is moved back by the caller afterwards.
--   KEYS 1 lease of the group, 2 record
--   ARGV 1 fence `epoch:nonce`, 2 group, 3 request id
-- Out: 1; 0 when the group does not run it; -1 the lease is another's.
-- @include job
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return -1 end
local id = ARGV[3]
local job = read_job(id)
if not job or job.state ~= 'running' or job.group ~= ARGV[2] then return 0 end
redis.call('HSET', KEYS[2], 'state', 'waiting')
redis.call('HDEL', P.held .. job.group, id)
redis.call('SREM', P.cancel .. job.group, id)
redis.call('ZREM', P.running .. job.queue, id)
redis.call('ZADD', P.waiting .. job.queue, redis.call('HGET', KEYS[2], 'enqueued'), id)
return 1

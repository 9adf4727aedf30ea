-- Gives a group the next job (see includes/take). A waiting group is handed the job by the gateway that enqueues it.
--   KEYS 1 lease of the group
--   ARGV 1 fence `epoch:nonce`, 2 group, 3 model, 4 1 when the group waits if there is none
-- Out: what take returns; -1 the lease is another's.
-- @include clock
-- @include fair
-- @include job
-- @include take
local fence, group, model = ARGV[1], ARGV[2], ARGV[3]
if redis.call('GET', KEYS[1]) ~= fence then return -1 end
local taken = take(model, group)
if taken[1] ~= 0 or ARGV[4] ~= '1' then redis.call('HDEL', P.idle .. model, group)
-- A waiting group calls this every second; write only once.
elseif redis.call('HGET', P.idle .. model, group) ~= fence then redis.call('HSET', P.idle .. model, group, fence) end
return taken

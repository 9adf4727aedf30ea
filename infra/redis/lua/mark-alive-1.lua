-- Records a heartbeat, and removes those that are stale.
--   KEYS 1 zset of the living by time
--   ARGV 1 id, 2 ms of silence after which others are forgotten, 0 for never
-- @include clock
local time = now()
redis.call('ZADD', KEYS[1], time, ARGV[1])
if tonumber(ARGV[2]) > 0 then redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', time - ARGV[2]) end
return 1

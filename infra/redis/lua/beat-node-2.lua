-- Publishes the report of a node, unless another live process has its id.
--   KEYS 1 report, 2 zset of the living by time
--   ARGV 1 node id, 2 incarnation, 3 report (JSON), 4 life of the report in ms, 5 incarnation that is known to be dead, or ''
-- Out: 1; -8 the id is another's.
-- @include clock
local known = redis.call('GET', KEYS[1])
local owner = known and cjson.decode(known).incarnation
if owner and owner ~= ARGV[2] and owner ~= ARGV[5] then return -8 end
local time = now()
redis.call('SET', KEYS[1], ARGV[3], 'PX', ARGV[4])
redis.call('ZADD', KEYS[2], time, ARGV[1])
redis.call('ZREMRANGEBYSCORE', KEYS[2], '-inf', time - ARGV[4])
return 1

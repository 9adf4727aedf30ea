-- Deletes the report of a node, unless another live process has its id.
--   KEYS 1 report, 2 zset of the living by time
--   ARGV 1 node id, 2 incarnation
-- Out: 1, or 0 when it was not the caller's.
local known = redis.call('GET', KEYS[1])
if not known or cjson.decode(known).incarnation ~= ARGV[2] then return 0 end
redis.call('ZREM', KEYS[2], ARGV[1])
return redis.call('DEL', KEYS[1])

-- Puts a new plan of a group in force, with an epoch above every lease and plan before it.
--   KEYS 1 lease, 2 epoch, 3 plan, 4 history
--   ARGV 1 fence `epoch:nonce`, 2 highest epoch the caller has seen, 3 the plan without its epoch, a JSON object, 4 plans kept
-- Out: the epoch; -1 the lease is another's.
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return -1 end
local epoch = math.max(tonumber(redis.call('HGET', KEYS[2], 'epoch') or 0), tonumber(ARGV[2])) + 1
redis.call('HSET', KEYS[2], 'epoch', epoch)
-- Written into the text: decoding would turn empty lists into objects.
local plan = string.format('{"epoch":%d,%s', epoch, string.sub(ARGV[3], 2))
redis.call('SET', KEYS[3], plan)
redis.call('XADD', KEYS[4], 'MAXLEN', '~', ARGV[4], '*', 'plan', plan)
return epoch

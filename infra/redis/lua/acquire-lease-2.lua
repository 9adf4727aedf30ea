-- Takes the lease of a group if it is free.
--   KEYS 1 lease, 2 epoch
--   ARGV 1 highest epoch the caller has seen, 2 nonce, 3 lease length in ms, 4 node id
-- Out: the new epoch, above every one stored or seen; 0 while it is held, or within a lease length after a restart of
-- Redis, which may have lost the last lease while its holder still trusts it. A last holder that gave its lease up trusts
-- nothing; should an election after that have been lost, the leap keeps the new epoch above it.
if redis.call('EXISTS', KEYS[1]) == 1 then return 0 end
local info = redis.call('INFO', 'server')
local run = string.match(info, 'run_id:(%x+)')
-- Whole seconds, up to one more than have passed.
local uptime = (tonumber(string.match(info, 'uptime_in_seconds:(%d+)')) - 1) * 1000
local stored = redis.call('HMGET', KEYS[2], 'epoch', 'run', 'released')
local seen = math.max(tonumber(stored[1] or 0), tonumber(ARGV[1]))
local restarted = seen > 0 and stored[2] ~= run
local released = seen > 0 and tonumber(stored[3]) == seen
if restarted and not released and uptime <= tonumber(ARGV[3]) then return 0 end
local epoch = seen + (restarted and 1000 or 1)
redis.call('HDEL', KEYS[2], 'released')
redis.call('HSET', KEYS[2], 'epoch', epoch, 'run', run, 'node', ARGV[4])
redis.call('SET', KEYS[1], epoch .. ':' .. ARGV[2], 'PX', ARGV[3])
return epoch

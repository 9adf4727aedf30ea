-- Admits a request: checks idempotency key, drain and the tenant's waiting limit, then stores it as waiting. Its BullMQ
-- job follows in the next round trip; the reaper ends what never got one.
--   KEYS 1 idempotency key, '' for none; 2 request
--   ARGV 1 id, 2 queue, 3 model, 4 tenant, 5 reserved tokens, 6 prompt tokens, 7 resume seconds, 8 waiting limit,
--        9 gateway, 10 body digest, 11 ms that the idempotency key lives, 12 request JSON
-- Out: {1, requests ahead} admitted; {2, earlier id, its place or -1}; {3, dispatch gap or '', ms since the last
-- dispatch or ''} full; {-3} key with another body; {-4} draining; {-6} id in use.
-- @include clock
local id, queue = ARGV[1], ARGV[2]

if KEYS[1] ~= '' then
  local earlier = redis.call('GET', KEYS[1])
  if earlier then
    local earlier_id, digest = string.match(earlier, '^(%S+) (%S*)$')
    if digest ~= ARGV[10] then return {-3} end
    return {2, earlier_id, redis.call('ZRANK', P.waiting .. queue, earlier_id) or -1}
  end
end
if redis.call('SISMEMBER', K.drain, queue) == 1 then return {-4} end
if redis.call('EXISTS', P.job .. id) == 1 then return {-6} end

local time = now()
local ahead = redis.call('ZCARD', P.waiting .. queue)
if ahead >= tonumber(ARGV[8]) then
  local stat = redis.call('HMGET', P.stat .. queue, 'gap', 'last')
  return {3, stat[1] or '', stat[2] and tostring(time - stat[2]) or ''}
end

redis.call('HSET', P.job .. id, 'state', 'waiting', 'queue', queue, 'model', ARGV[3], 'tenant', ARGV[4],
  'reserved', ARGV[5], 'prompt', ARGV[6], 'resume', ARGV[7], 'followers', ARGV[9], 'enqueued', time)
redis.call('PEXPIRE', P.job .. id, L.requestTtlMs)
redis.call('SET', KEYS[2], ARGV[12], 'PX', L.requestTtlMs)
redis.call('ZADD', P.waiting .. queue, time, id)
redis.call('SADD', P.follows .. ARGV[9], id)
redis.call('SADD', K.queues, queue)
if KEYS[1] ~= '' then redis.call('SET', KEYS[1], id .. ' ' .. ARGV[10], 'PX', ARGV[11]) end
return {1, ahead}

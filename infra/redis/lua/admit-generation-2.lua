-- Admits a request: checks idempotency key, drain and the tenant's waiting limit, stores it as waiting, adds its BullMQ job
-- and hands it to a group that waits for work, or tells leaders that there may be some. All of it, or nothing.
--   KEYS 1 idempotency key, '' for none; 2 request
--   ARGV 1 id, 2 queue, 3 model, 4 tenant, 5 reserved tokens, 6 prompt tokens, 7 resume seconds, 8 waiting limit,
--        9 gateway, 10 body digest, 11 ms that request, answer and idempotency key stay after the end, 12 request JSON,
--        13 how the answer is read, JSON, '' for none
-- Out: {1, requests ahead} admitted; {2, earlier id, its place or -1}; {3, dispatch gap or '', ms since the last
-- dispatch or ''} full; {-3} key with another body; {-4} draining; {-6} id in use; {-9} the tenant is blocked.
-- @include clock
-- @include fair
-- @include job
-- @include take
-- @bullmq addStandardJob
local id, queue, model = ARGV[1], ARGV[2], ARGV[3]

-- The request that the idempotency key stands for and the digest of its body; nil when it cannot answer: it failed, was
-- cancelled, or is gone.
local function find_earlier()
  local earlier, digest = string.match(redis.call('GET', KEYS[1]) or '', '^(%S+) (%S*)$')
  local job = earlier and read_job(earlier)
  if not job then return nil end
  local state = redis.call('HMGET', P.job .. earlier, 'outcome', 'cancel')
  if job.state ~= 'ended' then
    if state[2] then return nil end
  elseif state[1] ~= 'finished' or redis.call('EXISTS', P.out .. earlier) == 0 then return nil end
  return earlier, digest, job
end

if KEYS[1] ~= '' then
  local earlier, digest, job = find_earlier()
  if earlier then
    if digest ~= ARGV[10] then return {-3} end
    renew_ended(earlier, job)
    return {2, earlier, redis.call('ZRANK', P.waiting .. queue, earlier) or -1}
  end
end
-- Blocking cancels the tenant's requests; one whose credential was checked before must not come after that.
if redis.call('HGET', P.tenant .. ARGV[4], 'blocked') == 'true' then return {-9} end
if redis.call('SISMEMBER', K.drain, queue) == 1 then return {-4} end
if redis.call('EXISTS', P.job .. id) == 1 then return {-6} end

local time = now()
local ahead = redis.call('ZCARD', P.waiting .. queue)
if ahead >= tonumber(ARGV[8]) then
  local stat = redis.call('HMGET', P.stat .. queue, 'gap', 'last')
  return {3, stat[1] or '', stat[2] and tostring(time - stat[2]) or ''}
end

-- As Queue.add does it: with an id of our own and nothing of the prompt.
local function add_job()
  local prefix = P.bullmq .. queue .. ':'
  local keys = {}
  for index, name in ipairs({'wait', 'paused', 'meta', 'id', 'completed', 'delayed', 'active', 'events', 'marker'}) do
    keys[index] = prefix .. name
  end
  local data = string.format('{"reservedTokens":%d,"promptTokens":%d}', ARGV[5], ARGV[6])
  local options = cjson.decode(L.jobOptions)
  options.jobId = id
  bullmq_addStandardJob(keys, {cmsgpack.pack({prefix, id, L.jobName, time}), data, cmsgpack.pack(options)})
end

-- A group that waits, leads and listens; it waits no more then.
local function find_idle()
  local idle = redis.call('HGETALL', P.idle .. model)
  for index = 1, #idle, 2 do
    local group = idle[index]
    redis.call('HDEL', P.idle .. model, group)
    local leads = redis.call('GET', P.lease .. group) == idle[index + 1]
    if leads and redis.call('PUBSUB', 'NUMSUB', P.given .. group)[2] > 0 then return group end
  end
end

redis.call('HSET', P.job .. id, 'state', 'waiting', 'queue', queue, 'model', model, 'tenant', ARGV[4],
  'reserved', ARGV[5], 'prompt', ARGV[6], 'resume', ARGV[7], 'kept', ARGV[11], 'followers', ARGV[9], 'enqueued', time)
if ARGV[13] ~= '' then redis.call('HSET', P.job .. id, 'reading', ARGV[13]) end
redis.call('PEXPIRE', P.job .. id, L.requestTtlMs)
redis.call('SET', KEYS[2], ARGV[12], 'PX', L.requestTtlMs)
redis.call('ZADD', P.waiting .. queue, time, id)
redis.call('SADD', P.follows .. ARGV[9], id)
if redis.call('SADD', K.queues, queue) == 1 then
  redis.call('HSET', P.bullmq .. queue .. ':meta', 'opts.maxLenEvents', L.queueEvents)
end
if KEYS[1] ~= '' then
  redis.call('SET', KEYS[1], id .. ' ' .. ARGV[10], 'PX', L.requestTtlMs)
  redis.call('HSET', P.job .. id, 'idem', KEYS[1])
end
add_job()
if wake(model, queue) == 1 then
  local group = find_idle()
  if group then redis.call('PUBLISH', P.given .. group, table.concat(take(model, group), '\n'))
  else redis.call('PUBLISH', P.wake .. model, '') end
end
return {1, ahead}

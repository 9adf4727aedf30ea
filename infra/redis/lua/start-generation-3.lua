-- Gives a taken job to a group: replaces the pick's charge by the job's own, marks it running and hands out the request.
--   KEYS 1 lease of the group, 2 record, 3 request
--   ARGV 1 fence `epoch:nonce`, 2 group, 3 model, 4 pick id, 5 request id
-- Out: {1, request JSON, last seq of its stream, 1 when it was cancelled, attempt}; {0} when it has ended or is
-- forgotten: only its BullMQ job is left to remove; -1 the lease is another's.
-- @include clock
-- @include fair
-- @include job
local group, model, id = ARGV[2], ARGV[3], ARGV[5]
local picked = refund(model, ARGV[4])
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return -1 end
local job = read_job(id)
if picked then rest(model, picked) end
if not job or job.state == 'ended' then return {0} end

-- Mean gap between two dispatches of a queue that had more to dispatch: what Retry-After is computed from.
local function measure(time)
  local stat = redis.call('HMGET', P.stat .. job.queue, 'gap', 'last', 'busy')
  local gap = tonumber(stat[1] or '')
  if stat[2] and stat[3] == '1' then
    local sample = time - stat[2]
    gap = gap and (0.8 * gap + 0.2 * sample) or sample
  end
  local busy = redis.call('ZCARD', P.waiting .. job.queue) > 0 and 1 or 0
  redis.call('HSET', P.stat .. job.queue, 'gap', gap and string.format('%.3f', gap) or '', 'last', time, 'busy', busy)
end

local time = now()
if job.charged == 0 then
  local weight = weight_of(model, job.queue)
  set_counter(model, job.queue, counter_of(model, job.queue) + job.reserved / weight)
  redis.call('HSET', KEYS[2], 'charged', job.reserved, 'weight', weight)
end
if job.group and job.group ~= group then
  redis.call('HDEL', P.held .. job.group, id)
  redis.call('SREM', P.cancel .. job.group, id)
end
redis.call('HSETNX', KEYS[2], 'started', time)
redis.call('HSET', KEYS[2], 'state', 'running', 'group', group, 'attempts', job.attempts + 1)
redis.call('HSET', P.held .. group, id, job.queue)
redis.call('ZREM', P.waiting .. job.queue, id)
redis.call('ZADD', P.running .. job.queue, time, id)
measure(time)
local cancelled = redis.call('HEXISTS', KEYS[2], 'cancel')
return {1, redis.call('GET', KEYS[3]) or '', redis.call('XLEN', P.out .. id), cancelled, job.attempts + 1}

-- Takes the next job of the ready queue with the smallest counter for a group: out of BullMQ's list under the group's lock,
-- charged what it reserves over the queue's weight, marked as running. Needs clock, fair and job.
-- @bullmq moveToActive

-- As Worker.getNextJob does it. Returns the id, or nil when BullMQ gives none.
local function take_job(queue, group)
  local prefix = P.bullmq .. queue .. ':'
  local keys = {}
  local names = {'wait', 'active', 'prioritized', 'events', 'stalled', 'limiter', 'delayed', 'paused', 'meta', 'pc', 'marker'}
  for index, name in ipairs(names) do keys[index] = prefix .. name end
  local options = {token = L.lockToken .. group, lockDuration = L.lockMs}
  local id = bullmq_moveToActive(keys, {prefix, now(), cmsgpack.pack(options)})[2]
  return id ~= 0 and id or nil
end

-- Returns queue and id.
local function take_fairly(model, group)
  local skipped = 0
  while true do
    local candidate = redis.call('ZRANGE', P.ready .. model, skipped, skipped)
    if #candidate == 0 then return nil end
    local queue = candidate[1]
    local id = has_job(queue) and take_job(queue, group)
    if id then return queue, id end
    if rest(model, queue) == 0 then skipped = skipped + 1 end
  end
end

-- Mean gap between two dispatches of a queue that had more to dispatch: what Retry-After is computed from.
local function measure(queue, time)
  local stat = redis.call('HMGET', P.stat .. queue, 'gap', 'last', 'busy')
  local gap = tonumber(stat[1] or '')
  if stat[2] and stat[3] == '1' then
    local sample = time - stat[2]
    gap = gap and (0.8 * gap + 0.2 * sample) or sample
  end
  local busy = redis.call('ZCARD', P.waiting .. queue) > 0 and 1 or 0
  redis.call('HSET', P.stat .. queue, 'gap', gap and string.format('%.3f', gap) or '', 'last', time, 'busy', busy)
end

local function mark_running(id, job, group, time)
  if job.group and job.group ~= group then
    redis.call('HDEL', P.held .. job.group, id)
    redis.call('SREM', P.cancel .. job.group, id)
  end
  redis.call('HSETNX', P.job .. id, 'started', time)
  redis.call('HSET', P.job .. id, 'state', 'running', 'group', group, 'attempts', job.attempts + 1)
  redis.call('HSET', P.held .. group, id, job.queue)
  redis.call('ZREM', P.waiting .. job.queue, id)
  redis.call('ZADD', P.running .. job.queue, time, id)
end

-- Returns {0} when no queue has a job to take; {1, queue, id, queues with more, request JSON, last seq of its stream, 1 when it
-- was cancelled, attempt}; {2, queue, id} when it has ended or is forgotten: only its BullMQ job is left to remove;
-- {3, queue, id} when it stalled too often.
local function take(model, group)
  tidy_counters(model)
  local queue, id = take_fairly(model, group)
  if not queue then return {0} end
  local counter = counter_of(model, queue)
  local job = read_job(id)
  local charge = 0
  -- What was charged before is no progress: it moves neither the counter nor the virtual time.
  if not job or job.charged == 0 then
    redis.call('HSET', P.fair .. model, 'v', number_text(math.max(virtual_time(model), counter)))
  end
  if job and job.state ~= 'ended' and job.charged == 0 then
    charge = job.reserved / weight_of(model, queue)
    redis.call('HSET', P.job .. id, 'charged', job.reserved)
  end
  set_counter(model, queue, counter + charge)
  rest(model, queue)
  if redis.call('HEXISTS', P.bullmq .. queue .. ':' .. id, 'defa') == 1 then return {3, queue, id} end
  if not job or job.state == 'ended' then return {2, queue, id} end
  mark_running(id, job, group, now())
  measure(queue, now())
  local cancelled = redis.call('HEXISTS', P.job .. id, 'cancel')
  local more = redis.call('ZCARD', P.ready .. model)
  local request = redis.call('GET', P.request .. id) or ''
  return {1, queue, id, more, request, redis.call('XLEN', P.out .. id), cancelled, job.attempts + 1}
end

-- Fair dispatch of one model.
--   P.fair .. model: hash. v: virtual time, the largest counter at which a queue was picked. Per queue: c: counter
--   (tokens charged over weight), w: weight (1 when absent).
--   P.ready .. model: zset queue -> counter, the queues that have a job to take and are not paused.

local function counter_of(model, queue)
  return tonumber(redis.call('HGET', P.fair .. model, 'c:' .. queue) or 0)
end

local function weight_of(model, queue)
  return tonumber(redis.call('HGET', P.fair .. model, 'w:' .. queue) or 1)
end

local function virtual_time(model)
  return tonumber(redis.call('HGET', P.fair .. model, 'v') or 0)
end

local function set_counter(model, queue, value)
  redis.call('HSET', P.fair .. model, 'c:' .. queue, string.format('%.17g', value))
  redis.call('ZADD', P.ready .. model, 'XX', string.format('%.17g', value), queue)
end

local function is_paused(queue)
  return redis.call('HEXISTS', P.bullmq .. queue .. ':meta', 'paused') == 1
end

local function has_job(queue)
  return not is_paused(queue) and redis.call('LLEN', P.bullmq .. queue .. ':wait') > 0
end

-- Takes a queue that has nothing left, or is paused, from the ready ones; returns 1 when it did.
local function rest(model, queue)
  if has_job(queue) then return 0 end
  return redis.call('ZREM', P.ready .. model, queue)
end

-- Makes a queue ready when it has something to take. A queue that was not ready wakes up: its counter is lifted to the
-- virtual time, so that time spent idle is no credit. Returns 1 when it is ready.
local function wake(model, queue)
  if redis.call('ZSCORE', P.ready .. model, queue) then return 1 end
  if not has_job(queue) then return 0 end
  local lifted = math.max(counter_of(model, queue), virtual_time(model))
  redis.call('HSET', P.fair .. model, 'c:' .. queue, string.format('%.17g', lifted))
  redis.call('ZADD', P.ready .. model, string.format('%.17g', lifted), queue)
  return 1
end

-- Fair dispatch of one model.
--   P.fair .. model: hash. v: virtual time, the largest counter at which a queue was picked. Per queue: c: counter
--   (tokens charged over weight), p: picks not yet started, w: weight (1 when absent). missed: a pick passed a queue over
--   because of picks not yet started.
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

local function picks_of(model, queue)
  return tonumber(redis.call('HGET', P.fair .. model, 'p:' .. queue) or 0)
end

local function is_paused(queue)
  return redis.call('HEXISTS', P.bullmq .. queue .. ':meta', 'paused') == 1
end

-- Jobs that a pick can still take.
local function takeable(model, queue)
  if is_paused(queue) then return 0 end
  return redis.call('LLEN', P.bullmq .. queue .. ':wait') - picks_of(model, queue)
end

-- Takes a queue that has nothing left (or is paused) from the ready ones; returns 1 when it did. A queue whose last jobs
-- are picked but not started stays: it has not gone idle, and must not be lifted when the next job arrives.
local function rest(model, queue)
  local busy = redis.call('LLEN', P.bullmq .. queue .. ':wait') > 0 or picks_of(model, queue) > 0
  if busy and not is_paused(queue) then return 0 end
  return redis.call('ZREM', P.ready .. model, queue)
end

-- Makes a queue ready when it has something to take. A queue that was not ready wakes up: its counter is lifted to the
-- virtual time, so that time spent idle is no credit. Returns 1 when it is ready.
local function wake(model, queue)
  if redis.call('ZSCORE', P.ready .. model, queue) then return 1 end
  if takeable(model, queue) <= 0 then return 0 end
  local lifted = math.max(counter_of(model, queue), virtual_time(model))
  redis.call('HSET', P.fair .. model, 'c:' .. queue, string.format('%.17g', lifted))
  redis.call('ZADD', P.ready .. model, string.format('%.17g', lifted), queue)
  return 1
end

-- Takes back a pick: its charge, and its claim on a waiting job. Returns the queue, or false when there is no such pick.
local function refund(model, pick)
  local stored = redis.call('HGET', P.picks .. model, pick)
  if not stored then return false end
  local queue, charge = string.match(stored, '^(%S+) (%S+) ')
  redis.call('HDEL', P.picks .. model, pick)
  if redis.call('HINCRBY', P.fair .. model, 'p:' .. queue, -1) <= 0 then
    redis.call('HDEL', P.fair .. model, 'p:' .. queue)
  end
  set_counter(model, queue, counter_of(model, queue) - tonumber(charge))
  if redis.call('HDEL', P.fair .. model, 'missed') == 1 then redis.call('PUBLISH', P.wake .. model, '') end
  return queue
end

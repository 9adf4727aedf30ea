-- Fair dispatch of one model.
--   P.fair .. model: hash. v: virtual time, the largest counter at which a queue was picked. Per queue: c: counter
--   (tokens charged over weight), w: weight (1 when absent). repaired: damaged counters found and not yet reported.
--   P.ready .. model: zset queue -> counter, the queues that have a job to take and are not paused.

local function number_text(value)
  return string.format('%.17g', value)
end

local function stored_number(model, field)
  return tonumber(redis.call('HGET', P.fair .. model, field) or 0)
end

-- False for a value that is not a number, infinite, or so large that adding a request does not change it.
local function is_sound(value)
  return value ~= nil and math.abs(value) <= L.largestCounter
end

local function weight_of(model, queue)
  local weight = tonumber(redis.call('HGET', P.fair .. model, 'w:' .. queue) or 1)
  if weight == nil or weight ~= weight then return 1 end
  return math.min(L.maxWeight, math.max(L.minWeight, weight))
end

-- Calls visit(queue, counter) for each counter of the model; the counter is nil when its text is no number.
local function each_counter(model, visit)
  local fields = redis.call('HGETALL', P.fair .. model)
  for index = 1, #fields, 2 do
    local queue = string.match(fields[index], '^c:(.*)$')
    if queue then visit(queue, tonumber(fields[index + 1])) end
  end
end

local function set_counter(model, queue, value)
  redis.call('HSET', P.fair .. model, 'c:' .. queue, number_text(value))
  redis.call('ZADD', P.ready .. model, 'XX', number_text(value), queue)
end

-- Sets damaged counters to the virtual time, and a damaged virtual time to the largest counter that is sound: as if those
-- queues had just woken up.
local function repair(model)
  local time, repaired = stored_number(model, 'v'), 0
  if not is_sound(time) then
    time, repaired = 0, 1
    each_counter(model, function(_queue, counter)
      if is_sound(counter) then time = math.max(time, counter) end
    end)
    redis.call('HSET', P.fair .. model, 'v', number_text(time))
  end
  each_counter(model, function(queue, counter)
    if is_sound(counter) then return end
    set_counter(model, queue, time)
    repaired = repaired + 1
  end)
  if repaired > 0 then redis.call('HINCRBY', P.fair .. model, 'repaired', repaired) end
end

local function sound_number(model, field)
  local value = stored_number(model, field)
  if is_sound(value) then return value end
  repair(model)
  return stored_number(model, field)
end

local function counter_of(model, queue)
  return sound_number(model, 'c:' .. queue)
end

local function virtual_time(model)
  return sound_number(model, 'v')
end

-- Subtracts `base` from the virtual time and all counters: only differences matter, and small numbers keep them exact. The
-- counter of a queue that is not ready and not above the virtual time is forgotten: it is lifted there when it wakes up.
local function rebase(model, base)
  local time = virtual_time(model)
  each_counter(model, function(queue, counter)
    local ready = redis.call('ZSCORE', P.ready .. model, queue)
    if ready or counter > time then set_counter(model, queue, counter - base)
    else redis.call('HDEL', P.fair .. model, 'c:' .. queue) end
  end)
  redis.call('HSET', P.fair .. model, 'v', number_text(time - base))
end

-- Before a pick: makes the counters fit to be compared.
local function tidy_counters(model)
  local smallest = tonumber(redis.call('ZRANGE', P.ready .. model, 0, 0, 'WITHSCORES')[2] or 0)
  if not is_sound(smallest) then return repair(model) end
  local base = math.min(smallest, virtual_time(model))
  if base > L.rebaseAbove then rebase(model, base) end
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
  redis.call('HSET', P.fair .. model, 'c:' .. queue, number_text(lifted))
  redis.call('ZADD', P.ready .. model, number_text(lifted), queue)
  return 1
end

-- Whose turn it is: the ready queue with the smallest counter. Charges what its next job reserves over the queue's weight
-- (start-generation corrects it should another job come out) and remembers the pick until it is started or refunded.
--   KEYS 1 fair, 2 ready, 3 picks of the model
--   ARGV 1 model, 2 pick id
-- Out: queue, or nil when no queue has a job to take.
-- @include clock
-- @include fair
-- @include job
local model, pick = ARGV[1], ARGV[2]

local function charge_for(queue)
  local id = redis.call('LINDEX', P.bullmq .. queue .. ':wait', -1 - picks_of(model, queue))
  local job = id and read_job(id)
  if not job or job.state == 'ended' or job.charged > 0 then return 0 end
  return job.reserved / weight_of(model, queue)
end

local skipped = 0
while true do
  local candidate = redis.call('ZRANGE', KEYS[2], skipped, skipped, 'WITHSCORES')
  if #candidate == 0 then return nil end
  local queue, counter = candidate[1], tonumber(candidate[2])
  if takeable(model, queue) > 0 then
    local charge = charge_for(queue)
    redis.call('HSET', KEYS[1], 'v', string.format('%.17g', math.max(virtual_time(model), counter)))
    redis.call('HINCRBY', KEYS[1], 'p:' .. queue, 1)
    redis.call('HSET', KEYS[3], pick, string.format('%s %.17g %d', queue, charge, now()))
    set_counter(model, queue, counter + charge)
    return queue
  end
  if rest(model, queue) == 0 then
    -- All of its jobs look claimed, but a claimed job may have left the list already: leaders hear when that is settled.
    redis.call('HSET', KEYS[1], 'missed', 1)
    skipped = skipped + 1
  end
end

-- Gives a queue another weight. What it is ahead or behind stays the same in tokens, so a debt or credit that it ran up
-- under the old weight does not grow.
--   KEYS 1 fair hash of the model
--   ARGV 1 model, 2 queue, 3 weight
-- Out: 1.
-- @include fair
local model, queue, before = ARGV[1], ARGV[2], weight_of(ARGV[1], ARGV[2])
redis.call('HSET', KEYS[1], 'w:' .. queue, ARGV[3])
local after = weight_of(model, queue)
if after ~= before and redis.call('HEXISTS', KEYS[1], 'c:' .. queue) == 1 then
  local time, ahead = virtual_time(model), counter_of(model, queue) - virtual_time(model)
  -- What is behind without waiting for anything is lifted when it wakes up; it must not be multiplied until then.
  if not redis.call('ZSCORE', P.ready .. model, queue) then ahead = math.max(0, ahead) end
  set_counter(model, queue, time + ahead * before / after)
end
return 1

-- Ends requests of a queue that have neither a BullMQ job nor a terminal entry: their gateway died between two round
-- trips, or Redis lost the job.
--   KEYS 1 waiting or running ids of the queue by time, 2 prefix of the queue's BullMQ keys
--   ARGV 1 ms that a request must be old, 2 first to look at, 3 number to look at
-- Out: {number looked at, number ended}.
-- @include clock
-- @include fair
-- @include job
-- @include mail
-- @include finish
local ids = redis.call('ZRANGEBYSCORE', KEYS[1], '-inf', now() - ARGV[1], 'LIMIT', ARGV[2], ARGV[3])
local ended = 0
for _, id in ipairs(ids) do
  local job = read_job(id)
  if not job or job.state == 'ended' then
    redis.call('ZREM', KEYS[1], id)
  elseif redis.call('EXISTS', KEYS[2] .. id) == 0 then
    finish(id, job, 'failed', '{"code":"unavailable","message":"The request was lost before it could run."}', 0)
    ended = ended + 1
  end
end
send_mail()
return {#ids, ended}

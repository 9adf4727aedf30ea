-- Cancels requests whose time without a follower is over.
--   KEYS 1 orphans
--   ARGV 1 requests to cancel at most
-- Out: {queue, id, ...} of those that waited: their BullMQ jobs are the caller's to remove.
-- @include clock
-- @include fair
-- @include job
-- @include mail
-- @include finish
-- @include cancel
local removed = {}
for _, id in ipairs(redis.call('ZRANGEBYSCORE', KEYS[1], '-inf', now(), 'LIMIT', 0, ARGV[1])) do
  redis.call('ZREM', KEYS[1], id)
  local job = read_job(id)
  if job and cancel(id, job) == 'removed' then
    removed[#removed + 1] = job.queue
    removed[#removed + 1] = id
  end
end
send_mail()
return removed

-- Stops a request. Needs finish. Returns 'ended' (it had), 'removed' (it waited: terminal entry written; its BullMQ job
-- is the caller's to remove) or 'asked' (a group runs it and was told).
local function cancel(id, job)
  if job.state == 'ended' then return 'ended' end
  if job.state == 'waiting' then
    finish(id, job, 'cancelled', 'null', 0)
    return 'removed'
  end
  redis.call('HSET', P.job .. id, 'cancel', 1)
  redis.call('SADD', P.cancel .. job.group, id)
  redis.call('PUBLISH', P.toGroup .. job.group, id)
  return 'asked'
end

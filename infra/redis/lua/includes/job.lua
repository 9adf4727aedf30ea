-- The record of a request, hash P.job .. id: model tenant queue state(waiting|running|ended) reserved prompt tokens
-- charged group attempts resume kept idem followers cancel inherited inheritedAt enqueued started first ended outcome error reading.

-- Returns its fields as a table, or nil when there is no such request.
local function read_job(id)
  local names = {'model', 'queue', 'state', 'reserved', 'prompt', 'tokens', 'charged', 'group', 'resume', 'followers', 'attempts', 'kept', 'idem'}
  local values = redis.call('HMGET', P.job .. id, unpack(names))
  if not values[3] then return nil end
  local job = {}
  for index, name in ipairs(names) do job[name] = values[index] or nil end
  for _, name in ipairs({'reserved', 'prompt', 'tokens', 'charged', 'resume', 'attempts'}) do job[name] = tonumber(job[name] or 0) end
  job.kept = tonumber(job.kept or L.endedTtlMs)
  return job
end

-- Keeps an ended request, its answer and the Idempotency-Key that stands for it for `ttl` ms at least, all alike: a key leads
-- to an answer that is there, or to none.
local function keep_ended(id, job, ttl)
  local keys = {P.job .. id, P.out .. id}
  if job.idem and string.match(redis.call('GET', job.idem) or '', '^%S+') == id then keys[3] = job.idem end
  for _, key in ipairs(keys) do redis.call('PEXPIRE', key, ttl) end
end

-- Reading an ended request restarts its retention time.
local function renew_ended(id, job)
  if job.state == 'ended' and redis.call('PTTL', P.job .. id) < job.kept then keep_ended(id, job, job.kept) end
end

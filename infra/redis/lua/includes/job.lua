-- The record of a request, hash P.job .. id: model tenant queue state(waiting|running|ended) reserved prompt tokens
-- charged group attempts resume followers cancel inherited inheritedAt enqueued started first ended outcome error.

-- Returns its fields as a table, or nil when there is no such request.
local function read_job(id)
  local names = {'model', 'queue', 'state', 'reserved', 'prompt', 'tokens', 'charged', 'group', 'resume', 'followers', 'attempts'}
  local values = redis.call('HMGET', P.job .. id, unpack(names))
  if not values[3] then return nil end
  local job = {}
  for index, name in ipairs(names) do job[name] = values[index] or nil end
  for _, name in ipairs({'reserved', 'prompt', 'tokens', 'charged', 'resume', 'attempts'}) do job[name] = tonumber(job[name] or 0) end
  return job
end

-- Gives a new leader what its group ran: takes the locks over again, also those that have run out, unless a scan has given
-- the job back to its queue or another group has it. No other process has noticed, so it is not a stall.
--   KEYS 1 lease of the group
--   ARGV 1 fence `epoch:nonce`, 2 group, 3 lock token, 4 ms that a lock lives, 5 1 when the leader is new
-- Out: 0, then per request: queue, id, request JSON, last seq of its stream, 1 when it was cancelled, attempt, how many new
-- leaders it had since it last got a token; -1 the lease is another's.
-- @include job
local group, token = ARGV[2], ARGV[3]
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return -1 end

local function lock(queue, id)
  local prefix = P.bullmq .. queue .. ':'
  local holder = redis.call('GET', prefix .. id .. ':lock')
  if holder and holder ~= token then return false end
  if not holder and not redis.call('LPOS', prefix .. 'active', id) then return false end
  redis.call('SET', prefix .. id .. ':lock', token, 'PX', ARGV[4])
  redis.call('SREM', prefix .. 'stalled', id)
  return true
end

-- A request that ends every worker that runs it must not do so indefinitely.
local function count_fruitless(id, last)
  local key = P.job .. id
  if ARGV[5] ~= '1' then return 0 end
  if redis.call('HGET', key, 'inheritedAt') ~= tostring(last) then redis.call('HSET', key, 'inheritedAt', last, 'inherited', 0) end
  return redis.call('HINCRBY', key, 'inherited', 1)
end

local found = {0}
local held = redis.call('HGETALL', P.held .. group)
for index = 1, #held, 2 do
  local id, queue = held[index], held[index + 1]
  local job = read_job(id)
  local request = redis.call('GET', P.request .. id)
  if job and request and job.state == 'running' and job.group == group and lock(queue, id) then
    local last = redis.call('XLEN', P.out .. id)
    local cancelled = redis.call('HEXISTS', P.job .. id, 'cancel')
    local parts = {queue, id, request, last, cancelled, job.attempts, count_fruitless(id, last)}
    for _, part in ipairs(parts) do found[#found + 1] = part end
  end
end
return found

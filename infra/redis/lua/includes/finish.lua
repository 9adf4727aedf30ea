-- The one end of a request. Needs clock, fair, job and mail. `error_json` is 'null' or {"code":..,"message":..}.
-- Writes the terminal entry, settles tokens, frees the slot, forgets the prompt. Returns the entry's seq. The caller has
-- checked that the request has not ended, and sends the mail.

local function settle(id, job)
  if job.charged == 0 then return end
  local used = job.prompt + job.tokens
  -- By the weight of now: set-weight has converted what was charged before.
  local unused = (job.charged - used) / weight_of(job.model, job.queue)
  set_counter(job.model, job.queue, counter_of(job.model, job.queue) - unused)
  redis.call('HINCRBY', P.stat .. job.queue, 'tokens', used)
end

local function free_slot(id, job)
  redis.call('ZREM', P.waiting .. job.queue, id)
  redis.call('ZREM', P.running .. job.queue, id)
  redis.call('ZREM', K.orphans, id)
  for gateway in string.gmatch(job.followers or '', '%S+') do redis.call('SREM', P.follows .. gateway, id) end
  if job.group then
    redis.call('HDEL', P.held .. job.group, id)
    redis.call('SREM', P.cancel .. job.group, id)
  end
end

local function remember_end(id, job, time, outcome, error_json)
  local ttl = math.max(job.kept, job.resume * 1000)
  redis.call('HSET', P.job .. id, 'state', 'ended', 'outcome', outcome, 'error', error_json, 'ended', time)
  keep_ended(id, job, ttl)
  -- An operator may retry what failed; nothing else needs the prompt any more.
  if outcome == 'failed' then redis.call('PEXPIRE', P.request .. id, ttl) else redis.call('DEL', P.request .. id) end
  redis.call('HINCRBY', P.stat .. job.queue, outcome, 1)
  redis.call('ZADD', P.ended .. job.queue, time, id)
  redis.call('ZREMRANGEBYRANK', P.ended .. job.queue, 0, -(L.endedList + 1))
  redis.call('PEXPIRE', P.ended .. job.queue, L.requestTtlMs)
end

local function finish(id, job, outcome, error_json, cached)
  local seq = redis.call('XLEN', P.out .. id) + 1
  local entry = string.format(
    '{"type":"end","outcome":"%s","error":%s,"usage":{"promptTokens":%d,"completionTokens":%d,"cachedTokens":%d}}',
    outcome, error_json, job.prompt, job.tokens, cached)
  redis.call('XADD', P.out .. id, seq .. '-0', 'e', entry)
  settle(id, job)
  free_slot(id, job)
  remember_end(id, job, now(), outcome, error_json)
  post(job.followers, id, seq, entry)
  return seq
end

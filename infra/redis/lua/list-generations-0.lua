-- A page of requests in one state over one or all queues: waiting and running ones oldest first, ended ones newest first.
--   ARGV 1 state, 2 requests at most, 3 queue or '' for all, 4 score and 5 id of the last one seen, '' for the start
-- Out: {requests in this state, id, score, fields of its record, ... for each}; a record that is gone has no fields.
local lists = {waiting = P.waiting, running = P.running, ended = P.ended}
local list, newest_first, limit = lists[ARGV[1]], ARGV[1] == 'ended', tonumber(ARGV[2])
local range = newest_first and 'ZREVRANGE' or 'ZRANGE'
local queues = ARGV[3] == '' and redis.call('SMEMBERS', K.queues) or {ARGV[3]}

-- Requests of a queue at or before the last one seen.
local function seen(key)
  if ARGV[4] == '' then return 0 end
  local before = newest_first and redis.call('ZCOUNT', key, '(' .. ARGV[4], '+inf')
    or redis.call('ZCOUNT', key, '-inf', '(' .. ARGV[4])
  for _, id in ipairs(redis.call('ZRANGEBYSCORE', key, ARGV[4], ARGV[4])) do
    local passed = newest_first and id >= ARGV[5] or not newest_first and id <= ARGV[5]
    if passed then before = before + 1 end
  end
  return before
end

local function advance(head)
  local entry = redis.call(range, head.key, head.place, head.place, 'WITHSCORES')
  head.place, head.id, head.score = head.place + 1, entry[1], tonumber(entry[2] or '')
  return head.id ~= nil
end

local function comes_before(a, b)
  if a.score ~= b.score then return (a.score < b.score) ~= newest_first end
  return (a.id < b.id) ~= newest_first
end

local total, heads = 0, {}
for _, queue in ipairs(queues) do
  local head = {key = list .. queue}
  local count = redis.call('ZCARD', head.key)
  total = total + count
  if count > 0 then
    head.place = seen(head.key)
    if advance(head) then heads[#heads + 1] = head end
  end
end

local page = {total}
for _ = 1, limit do
  local first
  for index, head in ipairs(heads) do
    if not first or comes_before(head, heads[first]) then first = index end
  end
  if not first then break end
  local head = heads[first]
  for _, part in ipairs({head.id, string.format('%d', head.score), redis.call('HGETALL', P.job .. head.id)}) do page[#page + 1] = part end
  if not advance(head) then table.remove(heads, first) end
end
return page

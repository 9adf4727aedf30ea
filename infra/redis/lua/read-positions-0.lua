-- Places of waiting requests.
--   ARGV request ids
-- Out: per id requests ahead (-1 when it does not wait), dispatch gap and ms since the last dispatch of its queue ('' when
-- not measured).
-- @include clock
local places, time = {}, now()
for _, id in ipairs(ARGV) do
  local queue = redis.call('HGET', P.job .. id, 'queue')
  local rank = queue and redis.call('ZRANK', P.waiting .. queue, id)
  local stat = rank and redis.call('HMGET', P.stat .. queue, 'gap', 'last') or {}
  places[#places + 1] = tostring(rank or -1)
  places[#places + 1] = stat[1] or ''
  places[#places + 1] = stat[2] and tostring(time - stat[2]) or ''
end
return places

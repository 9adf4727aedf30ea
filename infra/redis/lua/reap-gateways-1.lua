-- Takes over the requests of gateways whose heartbeat stopped: those without another follower become orphans.
--   KEYS 1 gateways
--   ARGV 1 ms of silence after which a gateway counts as dead, 2 requests to take over at most
-- Out: number of requests taken over.
-- @include clock
-- @include job
-- @include unfollow
local time, silence, left = now(), tonumber(ARGV[1]), tonumber(ARGV[2])
local taken = 0
for _, gateway in ipairs(redis.call('ZRANGEBYSCORE', KEYS[1], '-inf', time - silence)) do
  for _, id in ipairs(redis.call('SPOP', P.follows .. gateway, left - taken)) do
    taken = taken + 1
    local job = read_job(id)
    if job and job.state ~= 'ended' and unfollow(id, job, gateway) then
      redis.call('ZADD', K.orphans, time + math.max(0, job.resume * 1000 - silence), id)
    end
  end
  if redis.call('EXISTS', P.follows .. gateway) == 0 then redis.call('ZREM', KEYS[1], gateway) end
  if taken >= left then break end
end
return taken

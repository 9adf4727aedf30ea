-- Registers a gateway as follower of a request: entries are sent to it from now on.
--   KEYS 1 record
--   ARGV 1 id, 2 gateway
-- Out: last seq of the stream; -5 unknown request.
-- @include job
local job = read_job(ARGV[1])
if not job then return -5 end
if job.state ~= 'ended' then
  if redis.call('SADD', P.follows .. ARGV[2], ARGV[1]) == 1 then
    redis.call('HSET', KEYS[1], 'followers', (job.followers or '') .. ' ' .. ARGV[2])
  end
  redis.call('ZREM', K.orphans, ARGV[1])
end
renew_ended(ARGV[1], job)
return redis.call('XLEN', P.out .. ARGV[1])

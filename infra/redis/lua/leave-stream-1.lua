-- A client left: removes its gateway as follower. The last one to leave cancels the request, at once or after the seconds
-- that the client asked for.
--   KEYS 1 record
--   ARGV 1 id, 2 gateway
-- Out: {'kept'} or what cancel-generation returns.
-- @include clock
-- @include fair
-- @include job
-- @include mail
-- @include finish
-- @include cancel
-- @include unfollow
local job = read_job(ARGV[1])
if not job or job.state == 'ended' or not unfollow(ARGV[1], job, ARGV[2]) then return {'kept'} end
if job.resume > 0 then
  redis.call('ZADD', K.orphans, now() + job.resume * 1000, ARGV[1])
  return {'kept'}
end
local done = cancel(ARGV[1], job)
send_mail()
return {done, job.queue}

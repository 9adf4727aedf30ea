-- Ends a request once (see includes/finish).
--   KEYS 1 record
--   ARGV 1 id, 2 outcome, 3 error JSON or null, 4 cached tokens, 5 by: writer | canceller | reaper,
--        for the writer 6 fence `epoch:nonce`, 7 group, 8 seq of the terminal entry
-- Out: {1, seq}; {0} it had ended; {2, group} a group runs it (canceller); {3, last seq} entries are missing before the
-- terminal one; -1 the lease, or the request, is another's.
-- @include clock
-- @include fair
-- @include job
-- @include mail
-- @include finish
local id, by = ARGV[1], ARGV[5]
local job = read_job(id)
if by == 'writer' and redis.call('GET', P.lease .. ARGV[7]) ~= ARGV[6] then return -1 end
if not job or job.state == 'ended' then return {0} end
if by == 'canceller' and job.state ~= 'waiting' then return {2, job.group} end
if by == 'writer' then
  if job.state ~= 'running' or job.group ~= ARGV[7] then return -1 end
  local last = redis.call('XLEN', P.out .. id)
  if last ~= tonumber(ARGV[8]) - 1 then return {3, last} end
end
local seq = finish(id, job, ARGV[2], ARGV[3], tonumber(ARGV[4]))
send_mail()
return {1, seq}

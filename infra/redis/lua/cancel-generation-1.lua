-- Stops a request of a tenant.
--   KEYS 1 record
--   ARGV 1 id, 2 tenant, or '' for an operator
-- Out: {state before: ended | removed | asked, queue}; -5 unknown, or another tenant's.
-- @include clock
-- @include fair
-- @include job
-- @include mail
-- @include finish
-- @include cancel
local job = read_job(ARGV[1])
if not job then return -5 end
if ARGV[2] ~= '' and redis.call('HGET', KEYS[1], 'tenant') ~= ARGV[2] then return -5 end
local done = cancel(ARGV[1], job)
send_mail()
return {done, job.queue}

-- Makes queues ready for picks when they have jobs, and tells idle leaders: after a job was added, a queue resumed, or
-- jobs of a dead group moved back.
--   KEYS 1 the model's wake channel
--   ARGV 1 model, 2.. queues
-- @include fair
local ready = 0
for index = 2, #ARGV do ready = ready + wake(ARGV[1], ARGV[index]) end
if ready > 0 then redis.call('PUBLISH', KEYS[1], '') end
return ready

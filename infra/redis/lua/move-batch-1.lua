-- Moves a batch to another status, if it is in one of those given.
--   KEYS 1 batch
--   ARGV 1 id, 2 status, 3 '1' if it has ended with it, 4 statuses that it may have, separated by blanks, 5.. fields and values to set
-- Out: 1; 0 if it has another status or is gone.
-- @include clock
local status = redis.call('HGET', KEYS[1], 'status')
if not status or not string.find(' ' .. ARGV[4] .. ' ', ' ' .. status .. ' ', 1, true) then return 0 end
redis.call('HSET', KEYS[1], 'status', ARGV[2], ARGV[2] .. 'At', now(), unpack(ARGV, 5))
if ARGV[3] == '1' then redis.call('ZREM', K.openBatches, ARGV[1]) end
return 1

-- Completes a file of a tenant whose chunks are there, unless the tenant has no room for it.
--   KEYS 1 file, 2 its chunks, 3 files of the tenant, 4 their sizes
--   ARGV 1 id, 2 tenant, 3 JSON, 4 bytes, 5 ms until it expires, 6 bytes of the tenant or '' for any number
-- Out: 1; 0 no room: the chunks are deleted.
-- @include clock
-- @include files
local time = now()
for _, expired in ipairs(redis.call('ZRANGEBYSCORE', KEYS[3], '-inf', time)) do
  forget_file(KEYS[3], KEYS[4], expired)
end
local total = tonumber(redis.call('HGET', KEYS[4], '') or 0) + ARGV[4]
if ARGV[6] ~= '' and total > tonumber(ARGV[6]) then
  redis.call('DEL', KEYS[2])
  return 0
end
redis.call('HSET', KEYS[1], 'tenant', ARGV[2], 'json', ARGV[3])
redis.call('ZADD', KEYS[3], time + ARGV[5], ARGV[1])
redis.call('HSET', KEYS[4], ARGV[1], ARGV[4], '', total)
for _, key in ipairs(KEYS) do redis.call('PEXPIRE', key, ARGV[5]) end
return 1

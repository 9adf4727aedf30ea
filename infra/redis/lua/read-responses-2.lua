-- Reads a response and those that it goes on from, and keeps them for longer.
--   KEYS 1 responses of the tenant, 2 their sizes
--   ARGV 1 id, 2 tenant, 3 ms until they expire, 4 how many at most
-- Out: JSON of each, newest first; a missing one, also one of another tenant, is its id behind a `-`, and the last.
-- @include clock
local id, found, time = ARGV[1], {}, now()
while id ~= '' and #found < tonumber(ARGV[4]) do
  local stored = redis.call('HMGET', P.response .. id, 'tenant', 'previous', 'json')
  if stored[1] ~= ARGV[2] then
    found[#found + 1] = '-' .. id
    return found
  end
  redis.call('PEXPIRE', P.response .. id, ARGV[3])
  redis.call('ZADD', KEYS[1], 'XX', time + ARGV[3], id)
  found[#found + 1] = stored[3]
  id = stored[2]
end
for _, key in ipairs(KEYS) do redis.call('PEXPIRE', key, ARGV[3]) end
return found

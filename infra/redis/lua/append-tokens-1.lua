-- Appends entries of many requests under a group's lease and sends them to the gateways that follow.
--   KEYS 1 lease of the group
--   ARGV 1 fence `epoch:nonce`, 2 group, then four per entry: id, seq, tokens in it, entry JSON
-- Out: -1 the lease is another's, nothing was written; else three integers per entry that was not written: its number
-- from 1, why (0 ended or another group's, 1 entries before it are missing, 2 another entry has this seq), last seq.
-- An entry that is there already, byte for byte, counts as written: a connection that broke sends its commands again.
-- @include clock
-- @include mail
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return -1 end
local group, problems, time = ARGV[2], {}, now()

local function same_entry(id, seq, entry)
  local stored = redis.call('XRANGE', P.out .. id, seq .. '-0', seq .. '-0')[1]
  return stored and stored[2][2] == entry
end

local function append(id, seq, tokens, entry)
  local job = redis.call('HMGET', P.job .. id, 'state', 'group', 'followers', 'first')
  local last = redis.call('XLEN', P.out .. id)
  if seq <= last and same_entry(id, seq, entry) then return nil, last end
  if job[1] ~= 'running' or job[2] ~= group then return 0, last end
  if seq <= last then return 2, last end
  if seq > last + 1 then return 1, last end
  redis.call('XADD', P.out .. id, seq .. '-0', 'e', entry)
  redis.call('HINCRBY', P.job .. id, 'tokens', tokens)
  if seq == 1 then redis.call('PEXPIRE', P.out .. id, L.requestTtlMs) end
  if not job[4] then redis.call('HSET', P.job .. id, 'first', time) end
  post(job[3], id, seq, entry)
  return nil, last
end

for index = 3, #ARGV, 4 do
  local why, last = append(ARGV[index], tonumber(ARGV[index + 1]), ARGV[index + 2], ARGV[index + 3])
  if why then
    for _, part in ipairs({(index + 1) / 4, why, last}) do problems[#problems + 1] = part end
  end
end
send_mail()
return problems

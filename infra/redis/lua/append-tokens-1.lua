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

-- A stream as it is found, once a call: what its entries need to know of it.
local streams = {}
local function open(id)
  if streams[id] then return streams[id] end
  local job = redis.call('HMGET', P.job .. id, 'state', 'group', 'followers', 'first')
  local stream = {last = redis.call('XLEN', P.out .. id), followers = job[3], first = job[4], tokens = 0}
  stream.ours = job[1] == 'running' and job[2] == group
  streams[id] = stream
  return stream
end

local function append(id, seq, tokens, entry)
  local stream = open(id)
  if seq <= stream.last and same_entry(id, seq, entry) then return nil end
  if not stream.ours then return 0 end
  if seq <= stream.last then return 2 end
  if seq > stream.last + 1 then return 1 end
  redis.call('XADD', P.out .. id, seq .. '-0', 'e', entry)
  if seq == 1 then redis.call('PEXPIRE', P.out .. id, L.requestTtlMs) end
  stream.last = seq
  stream.tokens = stream.tokens + tokens
  post(stream.followers, id, seq, entry)
  return nil
end

for index = 3, #ARGV, 4 do
  local id = ARGV[index]
  local why = append(id, tonumber(ARGV[index + 1]), tonumber(ARGV[index + 2]), ARGV[index + 3])
  if why then
    for _, part in ipairs({(index + 1) / 4, why, streams[id].last}) do problems[#problems + 1] = part end
  end
end
for id, stream in pairs(streams) do
  if stream.tokens > 0 then
    redis.call('HINCRBY', P.job .. id, 'tokens', stream.tokens)
    if not stream.first then redis.call('HSET', P.job .. id, 'first', time) end
  end
end
send_mail()
return problems

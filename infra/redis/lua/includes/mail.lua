-- Entries for gateways, one message per gateway and script call: lines `id`, `seq`, `entry`, repeated.
local mail = {}

local function post(followers, id, seq, entry)
  for gateway in string.gmatch(followers or '', '%S+') do
    local lines = mail[gateway] or {}
    mail[gateway] = lines
    lines[#lines + 1] = id .. '\n' .. seq .. '\n' .. entry .. '\n'
  end
end

local function send_mail()
  for gateway, lines in pairs(mail) do redis.call('PUBLISH', P.toGateway .. gateway, table.concat(lines)) end
end

-- Takes back picks that came to nothing.
--   KEYS 1 picks of the model
--   ARGV 1 model, 2 pick id, or '' for all picks older than 3, 3 age in ms
-- Out: number of picks refunded.
-- @include clock
-- @include fair
local picks = {ARGV[2]}
if ARGV[2] == '' then
  picks = {}
  local stored = redis.call('HGETALL', KEYS[1])
  for index = 1, #stored, 2 do
    local since = tonumber(string.match(stored[index + 1], '(%d+)$'))
    if now() - since >= tonumber(ARGV[3]) then picks[#picks + 1] = stored[index] end
  end
end
local refunded = 0
for _, pick in ipairs(picks) do
  local queue = refund(ARGV[1], pick)
  if queue then
    rest(ARGV[1], queue)
    refunded = refunded + 1
  end
end
return refunded

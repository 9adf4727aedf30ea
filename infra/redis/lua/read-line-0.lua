-- Who is next in line, and which queues of running requests come after it. Takes nothing.
--   ARGV 1 model, 2 queue of which a request waits in the group, '' for the next in line; from 3 queues of running requests
-- Out: {} when no request waits; else {queue, its weight}, then for each queue from ARGV 3: its weight, 1 when the first one's
-- turn comes before its own.
-- @include fair
local model, first = ARGV[1], ARGV[2]

-- One by one: nearly always it is the first of what may be thousands.
local function next_in_line()
  for index = 0, redis.call('ZCARD', P.ready .. model) - 1 do
    local queue = redis.call('ZRANGE', P.ready .. model, index, index)[1]
    if has_job(queue) then return queue end
  end
  return ''
end

if first == '' then first = next_in_line() end
if first == '' then return {} end
local counter = counter_of(model, first)
local line = {first, number_text(weight_of(model, first))}
for index = 3, #ARGV do
  local queue = ARGV[index]
  local other = counter_of(model, queue)
  line[#line + 1] = number_text(weight_of(model, queue))
  line[#line + 1] = (counter < other or (counter == other and first < queue)) and 1 or 0
end
return line

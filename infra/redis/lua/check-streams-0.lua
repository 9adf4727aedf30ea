-- How far streams are.
--   ARGV request ids
-- Out: per id the last seq, or -1 when the request is unknown, after a leading 0.
local lengths = {0}
for index, id in ipairs(ARGV) do
  lengths[index + 1] = redis.call('EXISTS', P.job .. id) == 1 and redis.call('XLEN', P.out .. id) or -1
end
return lengths

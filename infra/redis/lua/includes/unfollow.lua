-- Removes a follower of a request; returns true when none is left. Needs job.
local function unfollow(id, job, gateway)
  local left = {}
  for follower in string.gmatch(job.followers or '', '%S+') do
    if follower ~= gateway then left[#left + 1] = follower end
  end
  job.followers = table.concat(left, ' ')
  redis.call('HSET', P.job .. id, 'followers', job.followers)
  redis.call('SREM', P.follows .. gateway, id)
  return #left == 0
end

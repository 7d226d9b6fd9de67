-- The whole state of an event with its rev, in one atomic step: for availability, snapshots and the mirror's checks.
--
-- KEYS  run, rev, state
-- ARGV  run_id of this Redis process
-- reply {rev, state string}; error NOMIRROR when the state was not built under this process
-- cost  3 GETs; O(seats) bytes copied once

if redis.call('GET', KEYS[1]) ~= ARGV[1] then
  return redis.error_reply('NOMIRROR snapshot')
end
return {redis.call('GET', KEYS[2]), redis.call('GET', KEYS[3])}

-- Puts newer settings into the line; older ones change nothing, so that workers may push them at any time.
--
-- KEYS  1 {e}:q:line
-- ARGV  1 run_id  2 version  3 rate  4 max_active  5 claim_ms  6 prequeue_at  7 opens_at  8 closes_at  9 paused
-- reply 1 these or newer ones are in effect, 0 the line is not known under this run_id
-- cost  2 commands
local f = redis.call('HMGET', KEYS[1], 'run', 'version')
if f[1] ~= ARGV[1] then
    return 0
end
if tonumber(ARGV[2]) > tonumber(f[2]) then
    redis.call('HSET', KEYS[1], 'version', ARGV[2], 'rate', ARGV[3], 'max_active', ARGV[4], 'claim_ms', ARGV[5],
        'prequeue_at', ARGV[6], 'opens_at', ARGV[7], 'closes_at', ARGV[8], 'paused', ARGV[9])
end
return 1

-- Builds the line from what PostgreSQL remembers: the first time, after Redis forgot, after a reset.
--
-- KEYS  1 {e}:q:line  2 {e}:q:calls  3 {e}:q:recover  4 {e}:q:back
-- ARGV  1 token (must still be in recover: only one worker builds, and a slow one is refused)  2 run_id  3 epoch  4 first  5 settled
--       6 watermark  7 number_high  8 born ms  9 salt (hex)  10 pause_ms  11 version  12 rate  13 max_active  14 claim_ms
--       15 prequeue_at  16 opens_at  17 closes_at  18 paused (0/1)  19 grace_ms        times in ms, 0: none
-- reply 1 built, 0 refused
-- cost  6 commands
--
-- New numbers start at number_high. Numbers below the watermark may have been called: they are called again from now on, with a
-- whole claim window; a pass has the same id when it is given again. Admission pauses when there was a line, so that those who were
-- inside are seen again before new ones come. After grace_ms everybody who is still there has shown the
-- ticket (line_back.lua), and the meter passes over the others.
if redis.call('GET', KEYS[3]) ~= ARGV[1] then
    return 0
end
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local first, settled, watermark, high = tonumber(ARGV[4]), tonumber(ARGV[5]), tonumber(ARGV[6]), tonumber(ARGV[7])
local resume_at, old_high = 0, 0
if high > first then
    resume_at, old_high = now + tonumber(ARGV[10]), high
end
redis.call('DEL', KEYS[1], KEYS[2], KEYS[3], KEYS[4])
redis.call('HSET', KEYS[1], 'run', ARGV[2], 'epoch', ARGV[3], 'first', first, 'settled', settled, 'serving', watermark,
    'target', watermark, 'next', high, 'reserved', high, 'persisted_settled', settled, 'born', ARGV[8],
    'salt', ARGV[9], 'resume_at', resume_at, 'version', ARGV[11], 'rate', ARGV[12], 'max_active', ARGV[13], 'claim_ms', ARGV[14],
    'prequeue_at', ARGV[15], 'opens_at', ARGV[16], 'closes_at', ARGV[17], 'paused', ARGV[18], 'at', now, 'carry', 0,
    'measured', ARGV[12], 'seq', 0, 'persist_until', 0, 'reserve_until', 0, 'next_seen', high, 'join_rate', 0,
    'old_high', old_high, 'skip_at', now + tonumber(ARGV[19]), 'skip_from', 0)
if watermark > settled then
    redis.call('RPUSH', KEYS[2], string.format('%.0f:%.0f:%.0f', watermark, now, now))
end
return 1

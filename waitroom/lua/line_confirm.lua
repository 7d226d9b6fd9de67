-- PostgreSQL has the watermark: the numbers below it are called now.
--
-- KEYS  1 {e}:q:line  2 {e}:q:calls
-- ARGV  1 run_id  2 epoch under which PostgreSQL accepted it  3 watermark  4 settled
-- reply 1, or 0 when the line is another by now
-- cost  4 commands
--
-- `calls` lists "upto:first_at:last_at", one entry for what was called within a 64th of the claim window (at least a second); its
-- window counts from last_at, so nobody's is shorter than promised and the list stays under 70 entries.
local f = redis.call('HMGET', KEYS[1], 'run', 'epoch', 'serving', 'target', 'persisted_settled', 'claim_ms')
if f[1] ~= ARGV[1] or f[2] ~= ARGV[2] then
    return 0
end
local serving = tonumber(f[3])
local upto = math.min(tonumber(ARGV[3]), tonumber(f[4]))
if upto > serving then
    local time = redis.call('TIME')
    local now = time[1] * 1000 + math.floor(time[2] / 1000)
    local grain = math.max(1000, tonumber(f[6]) / 64)
    local first_at = now
    local last = redis.call('LINDEX', KEYS[2], -1)
    if last then
        local began = tonumber(string.match(last, ':(%d+):'))
        if now >= began and now - began < grain then
            first_at = began
            redis.call('RPOP', KEYS[2])
        end
    end
    redis.call('RPUSH', KEYS[2], string.format('%.0f:%.0f:%.0f', upto, first_at, now))
    serving = upto
end
redis.call('HSET', KEYS[1], 'serving', serving, 'persist_until', 0,
    'persisted_settled', math.max(tonumber(f[5]), tonumber(ARGV[4])))
return 1

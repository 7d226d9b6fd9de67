-- What one engine feels of the load, for the meter of the event's line (waitroom/lua/line_meter.lua).
--
-- KEYS  1 {e}:q:pressure, a hash: engine -> '<0..100> <valid until, ms of Redis>'
-- ARGV  1 engine  2 value  3 how long it is valid, ms
-- reply 1
-- cost  4 commands, one more per engine that has gone
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local told = redis.call('HGETALL', KEYS[1])
for i = 1, #told, 2 do
    local upto = tonumber(string.match(told[i + 1], ' (%d+)$') or 0)
    if upto <= now then
        redis.call('HDEL', KEYS[1], told[i])
    end
end
redis.call('HSET', KEYS[1], ARGV[1], string.format('%d %.0f', ARGV[2], now + ARGV[3]))
redis.call('PEXPIRE', KEYS[1], ARGV[3])
return 1

-- A number asks for its pass, or only how it stands. A number has one pass, ever: asking again gives the same moment of issue.
--
-- KEYS  1 {e}:q:line  2 {e}:q:active  3 {e}:q:claimed  4 {e}:q:pass:<number / 100>  5 {e}:sess:<jti>  6 {e}:q:back
-- ARGV  1 run_id  2 number  3 jti  4 life of a pass in seconds  5 "claim" or "look"
-- reply {} when the line is not known under this run_id; else {outcome, second of issue or 0, serving, epoch}
--       outcome 0 wait  1 called (look only)  2 given now  3 given before and still good  4 its session or its time is over  5 missed
--       6 the queue is closed
-- cost  4 commands, 9 when a pass is given
--
-- A number that the meter passed over because nobody was there is charged now: it may overdraw the credit by a second's worth, which
-- the meter earns back before it calls anybody else, and it needs room.
--
-- A missing line is no answer, never a pass. The slot in `active` is taken in the same step.
local f = redis.call('HMGET', KEYS[1], 'run', 'epoch', 'serving', 'settled', 'closes_at', 'skip_from', 'old_high', 'carry',
    'rate', 'max_active')
if f[1] ~= ARGV[1] then
    return {}
end
local epoch, serving, settled, closes_at = tonumber(f[2]), tonumber(f[3]), tonumber(f[4]), tonumber(f[5])
local number, life = tonumber(ARGV[2]), tonumber(ARGV[4])
if number >= serving then
    return {0, 0, serving, epoch}
end
local time = redis.call('TIME')
local second = tonumber(time[1])
local given = tonumber(redis.call('HGET', KEYS[4], ARGV[2]) or 0)
local state = redis.call('HGET', KEYS[5], 'state')
if (state and state ~= 'open') or (given > 0 and second >= given + life) then
    return {4, given, serving, epoch}
end
if given > 0 then
    return {3, given, serving, epoch}
end
if redis.call('GETBIT', KEYS[3], number) == 1 then
    return {4, 0, serving, epoch}
end
if number < settled then
    return {5, 0, serving, epoch}
end
if closes_at > 0 and second * 1000 + math.floor(time[2] / 1000) >= closes_at then
    return {6, 0, serving, epoch}
end
if ARGV[5] ~= 'claim' then
    return {1, 0, serving, epoch}
end
local skip_from, old_high = tonumber(f[6]), tonumber(f[7])
if skip_from > 0 and number >= skip_from and number < old_high and redis.call('GETBIT', KEYS[6], number) == 0 then
    local carry, rate = tonumber(f[8]), tonumber(f[9])
    if carry - 1 < -math.max(1, rate / 60) or redis.call('ZCARD', KEYS[2]) >= tonumber(f[10]) then
        return {0, 0, serving, epoch}
    end
    redis.call('HSET', KEYS[1], 'carry', carry - 1)
    redis.call('SETBIT', KEYS[6], number, 1)
end
redis.call('SETBIT', KEYS[3], number, 1)
redis.call('HSET', KEYS[4], ARGV[2], second)
redis.call('EXPIRE', KEYS[4], life + 300)
redis.call('ZADD', KEYS[2], (second + life) * 1000, ARGV[3])
return {2, second, serving, epoch}

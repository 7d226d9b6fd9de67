-- After Redis was lost: sessions that ended with a booking are ended again, so that their passes buy nothing twice.
--
-- KEYS  1.. {e}:sess:<jti>
-- ARGV  1 life of the records in ms
-- reply 1
-- cost  1 command a session, 2 when it had been forgotten
local time = redis.call('TIME')
local expires = time[1] * 1000 + math.floor(time[2] / 1000) + tonumber(ARGV[1])
for i = 1, #KEYS do
    if redis.call('EXISTS', KEYS[i]) == 0 then
        redis.call('HSET', KEYS[i], 'state', 'booked', 'expires', expires)
        redis.call('PEXPIREAT', KEYS[i], expires)
    end
end
return 1

-- Numbers below `high` are reserved in PostgreSQL: they may be given.
--
-- KEYS  1 {e}:q:line
-- ARGV  1 run_id  2 epoch under which PostgreSQL accepted it  3 high
-- reply 1, or 0 when the line is another by now
-- cost  2 commands
local f = redis.call('HMGET', KEYS[1], 'run', 'epoch', 'reserved')
if f[1] ~= ARGV[1] or f[2] ~= ARGV[2] then
    return 0
end
redis.call('HSET', KEYS[1], 'reserved', math.max(tonumber(f[3]), tonumber(ARGV[3])), 'reserve_until', 0)
return 1

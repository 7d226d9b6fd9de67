-- Gives a hold up.
--
-- ARGV  2 hold id  3 session or ''  4 trace or ''
-- Reply G (also when it had ended unsold before) | P (payment under way) | X (it was sold) | N
-- Cost  about 14 calls.
if redis.call('GET', e .. ':run') ~= ARGV[1] then
    return nomirror()
end
local now = clock()
local r = redis.call('HMGET', e .. ':hold:' .. ARGV[2], 'session', 'gone', 'paying', 'expires')
if not r[1] or r[1] ~= ARGV[3] then
    return 'N ' .. now
end
if r[2] == 'sold' then
    return 'X ' .. now
end
if r[2] then
    return 'G ' .. now
end
if r[3] == '1' and tonumber(r[4]) > now then
    return 'P ' .. now
end
forget_expiry({ARGV[2]})
local freed = end_hold(ARGV[2], 'released', now)
if #freed > 0 then
    log_change(FREE, freed, 'release', ARGV[4])
end
return 'G ' .. now

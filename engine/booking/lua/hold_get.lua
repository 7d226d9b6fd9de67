-- Reads a hold.
--
-- ARGV  2 hold id  3 session or ''
-- Reply G hold | X (expired or sold) | N (never was, another session's, or given up)
-- Cost  3 calls.
if redis.call('GET', e .. ':run') ~= ARGV[1] then
    return nomirror()
end
local now = clock()
local id = ARGV[2]
local r = redis.call('HMGET', e .. ':hold:' .. id, 'session', 'customer', 'fence', 'expires', 'cap', 'paying', 'seats', 'gone')
if not r[7] or r[1] ~= ARGV[3] or r[8] == 'released' then
    return 'N ' .. now
end
if r[8] or tonumber(r[4]) <= now then
    return 'X ' .. now
end
return 'G ' .. int(now) .. ' ' .. hold_words(id, r[1], r[2], r[3], r[4], r[5], r[6], r[7])

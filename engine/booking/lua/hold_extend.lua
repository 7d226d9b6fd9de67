-- Moves the expiry of a hold, by the buyer's wish or because a payment starts or ended.
--
-- ARGV  2 hold id  3 session or ''  4 'by' | 'pay' | 'unpay'  5 ms: added to the expiry (by), lasting from now (pay)
--       6 idempotency key or ''  7 fingerprint
-- Reply G hold | R | M | C (past the cap) | P (payment under way) | X | N
-- Cost  6 calls + 1 per seat when the expiry moves.
local id, idem, print = ARGV[2], ARGV[6], ARGV[7]
local got = redis.call('MGET', e .. ':run', e .. ':idem:' .. idem)
if got[1] ~= ARGV[1] then
    return nomirror()
end
local again = replay(got[2], print)
if again then
    return again
end
local now = clock()
local k = e .. ':hold:' .. id
local r = redis.call('HMGET', k, 'session', 'customer', 'fence', 'expires', 'cap', 'paying', 'seats', 'gone')
if not r[7] or r[1] ~= ARGV[3] or r[8] == 'released' then
    return 'N ' .. now
end
local expires, cap = tonumber(r[4]), tonumber(r[5])
if r[8] or expires <= now then
    return 'X ' .. now
end
local how, paying, to = ARGV[4], r[6], expires
if how == 'by' then
    if paying == '1' then
        return 'P ' .. now
    end
    to = expires + ARGV[5]
    if to > cap then
        return 'C ' .. now
    end
elseif how == 'pay' then
    if paying == '0' then
        to = math.max(expires, math.min(now + ARGV[5], cap))
    end
    paying = '1'
else
    paying = '0'
end
to = int(to)
if to ~= r[4] then
    local px = int(to - now + GRACE)
    for _, n in ipairs((parse_seats(r[7]))) do
        -- A lock that was lost comes back; one that is another's (it cannot be) stays.
        local lock = e .. 'seat:' .. n
        if redis.call('PEXPIRE', lock, px) == 0 then
            redis.call('SET', lock, id, 'NX', 'PX', px)
        end
    end
    redis.call('ZADD', e .. ':expiry', to, id)
end
redis.call('HSET', k, 'expires', to, 'paying', paying)
local told = ' ' .. int(now) .. ' ' .. hold_words(id, r[1], r[2], r[3], to, r[5], paying, r[7])
remember(idem, print, told)
return 'G' .. told

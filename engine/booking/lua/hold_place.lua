-- Takes seats for a new hold, all or nothing.
--
-- ARGV  2 hold id  3 ttl ms  4 cap ms  5 max seats  6 max holds  7 session or ''  8 expiry of the pass ms  9 customer or ''
--       10 idempotency key or ''  11 fingerprint  12 trace or ''
--       13 area first  14 area capacity  15 area quantity (0: named seats)  16 area hint  17.. seats, ascending
-- Reply G hold | R <the words of the first answer without its letter> | M (key of another request) | T refused seats | L which until | E (session ended) | Z (no seats)
-- Cost  12 calls + 1 per seat without a session, 3 more with one. Four seats of an event without a queue: 16 calls.
local id, session, customer, idem, print = ARGV[2], ARGV[7], ARGV[9], ARGV[10], ARGV[11]
local seats, names = {}, {e .. ':run', e .. ':idem:' .. idem}
for i = 17, #ARGV do
    seats[i - 16] = ARGV[i]
    names[i - 14] = e .. 'seat:' .. ARGV[i]
end
local got = redis.call('MGET', unpack(names))
if got[1] ~= ARGV[1] then
    return nomirror()
end
local again = replay(got[2], print)
if again then
    return again
end
local now = clock()
local quantity = tonumber(ARGV[15])
local wanted = quantity > 0 and quantity or #seats
local no, had_seats, had_holds, open =
    check_limits(session, customer, tonumber(ARGV[8]), tonumber(ARGV[5]), tonumber(ARGV[6]), wanted, 1, now)
if no then
    return no
end
if wanted == 0 then
    return 'Z ' .. now
end
local locks = {}
if quantity > 0 then
    local first, capacity, hint = tonumber(ARGV[13]), tonumber(ARGV[14]), tonumber(ARGV[16])
    seats = find_places(first, capacity, quantity, hint)
    if not seats and expire_due(now, 100) > 0 then
        seats = find_places(first, capacity, quantity, hint)
    end
    if not seats then
        return 'Z ' .. now
    end
else
    for i = 1, #seats do
        locks[i] = got[i + 2]
    end
end
local ver, refused = check_seats(seats, locks, now)
if refused then
    return 'T ' .. now .. ' ' .. refused
end

local cap = now + ARGV[4]
if session ~= '' then
    cap = math.min(cap, tonumber(ARGV[8]))
end
local expires = math.min(now + ARGV[3], cap)
take_seats(id, seats, expires, now)
now, expires, cap = int(now), int(expires), int(cap)
local list = {}
for i = 1, #seats do
    list[i] = seats[i] .. ':' .. int(ver[i])
end
list = table.concat(list, ',')
local fence = log_change(HELD, seats, 'hold', ARGV[12])
redis.call('HSET', e .. ':hold:' .. id, 'session', session, 'customer', customer, 'fence', fence, 'placed', now,
    'expires', expires, 'cap', cap, 'paying', '0', 'seats', list)
redis.call('PEXPIREAT', e .. ':hold:' .. id, int(cap + 600000)) -- what is left of it goes then, however it ends
redis.call('ZADD', e .. ':expiry', expires, id)
if session ~= '' then
    local k = e .. ':sess:' .. session
    redis.call('HSET', k, 'state', 'open', 'expires', ARGV[8], 'seats', int(had_seats + #seats), 'holds', int(had_holds + 1), 'h:' .. id,
        int(#seats))
    if not open then
        redis.call('PEXPIREAT', k, int(ARGV[8] + 60000))
    end
end
if customer ~= '' then
    local k = e .. ':cust:' .. customer
    redis.call('HINCRBY', k, 'seats', int(#seats))
    redis.call('PEXPIRE', k, '2592000000')
end
local told = ' ' .. now .. ' ' .. hold_words(id, session, customer, fence, expires, cap, 0, list)
remember(idem, print, told)
return 'G' .. told

-- Ends a rebuild: state, versions and a new epoch from PostgreSQL; holds whose seats the truth still has free at the same version stay, the others go.
--
-- ARGV  2 token  3 epoch  4 state string, '0' '2' '3' per seat  5 versions, four bytes big endian per seat
-- Reply G | S (another rebuild has begun since)
-- Cost  8 calls, about 10 per hold.
if redis.call('GET', e .. ':rebuild') ~= ARGV[2] then
    return 'S 0'
end
local now = clock()
local state, ver = ARGV[4], ARGV[5]
local keep = {}
for _, id in ipairs(redis.call('ZRANGE', e .. ':expiry', 0, -1)) do
    local k = e .. ':hold:' .. id
    local r = redis.call('HMGET', k, 'seats', 'gone', 'session', 'customer', 'expires')
    local good = r[1] and not r[2]
    local seats, versions = parse_seats(r[1] or '')
    for i = 1, #seats do
        local n = tonumber(seats[i])
        local a, b, c, d = string.byte(ver, 4 * n + 1, 4 * n + 4)
        if string.byte(state, n + 1) ~= FREE or keep[n] or ((a * 256 + b) * 256 + c) * 256 + d ~= tonumber(versions[i]) then
            good = false
        end
    end
    if good then
        for i = 1, #seats do
            keep[tonumber(seats[i])] = true
            redis.call('SET', e .. 'seat:' .. seats[i], id, 'PX', math.max(r[5] - now + GRACE, 1))
        end
    else
        redis.call('ZREM', e .. ':expiry', id)
        for i = 1, #seats do
            local lock = e .. 'seat:' .. seats[i]
            if redis.call('GET', lock) == id then
                redis.call('DEL', lock)
            end
        end
        if r[1] and not r[2] then
            redis.call('HSET', k, 'gone', 'dropped', 'paying', 0)
            redis.call('PEXPIRE', k, 600000)
            settle(id, r[3], r[4], #seats, false, now)
        end
    end
end
redis.call('SET', e .. ':state', state)
redis.call('SET', e .. ':ver', ver)
local held = {}
for n in pairs(keep) do
    held[#held + 1] = n
    if #held == 1000 then
        write_state(held, HELD)
        held = {}
    end
end
if #held > 0 then
    write_state(held, HELD)
end
redis.call('SET', e .. ':rev', string.format('%.0f', tonumber(ARGV[3]) * 2 ^ 40))
redis.call('SET', e .. ':run', ARGV[1])
redis.call('DEL', e .. ':rebuild')
return 'G ' .. now

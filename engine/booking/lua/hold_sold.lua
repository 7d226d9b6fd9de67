-- Marks what PostgreSQL has sold. Repeating it changes nothing: only seats that still have the version at which they were sold are marked.
--
-- ARGV  2 hold id or '' (then the hold is left to expire)  3 session or '' (then the hold tells)  4 trace or ''  5.. seat, version as held, seat, version...
-- Reply G
-- Cost  about 16 calls.
if redis.call('GET', e .. ':run') ~= ARGV[1] then
    return nomirror()
end
local now = clock()
local id, session = ARGV[2], ARGV[3]
local seats, want = {}, {}
for i = 5, #ARGV, 2 do
    seats[#seats + 1], want[#want + 1] = ARGV[i], tonumber(ARGV[i + 1])
end
local state, ver = read_seats(seats)
local sold, names, set = {}, {}, {}
for i = 1, #seats do
    if ver[i] == want[i] and state[i] >= FREE then
        sold[#sold + 1], names[#names + 1] = seats[i], e .. 'seat:' .. seats[i]
        set[#set + 1], set[#set + 2], set[#set + 3], set[#set + 4] = 'SET', 'u32', '#' .. seats[i], ver[i] + 1
    end
end
if #sold > 0 then
    redis.call('DEL', unpack(names))
    write_state(sold, SOLD)
    redis.call('BITFIELD', e .. ':ver', unpack(set))
    log_change(SOLD, sold, 'sale', ARGV[4])
end
local r = id ~= '' and redis.call('HMGET', e .. ':hold:' .. id, 'session', 'seats', 'gone') or {}
if r[2] and not r[3] then
    if session == '' then
        session = r[1]
    end
    -- What the hold still has beyond the sale (it was changed while the sale was on its way) is free again.
    local freed = end_hold(id, 'sold', now)
    if #freed > 0 then
        log_change(FREE, freed, 'release', ARGV[4])
    end
end
if session ~= '' then
    local s = e .. ':sess:' .. session
    local was = redis.call('HGET', s, 'state')
    if not was then
        -- Redis has forgotten the session; the pass is spent all the same.
        redis.call('HSET', s, 'state', 'booked')
        redis.call('PEXPIRE', s, 900000)
    elseif was == 'open' then
        redis.call('HSET', s, 'state', 'booked')
        -- The pass is spent: what the session held beside goes back on sale, except what is being paid at this moment.
        for _, field in ipairs(redis.call('HKEYS', s)) do
            if string.sub(field, 1, 2) == 'h:' then
                local other = string.sub(field, 3)
                if redis.call('HGET', e .. ':hold:' .. other, 'paying') ~= '1' then
                    local freed = end_hold(other, 'released', now)
                    if #freed > 0 then
                        log_change(FREE, freed, 'release', ARGV[4])
                    end
                end
            end
        end
    end
    redis.call('ZREM', e .. ':q:active', session)
end
return 'G ' .. now

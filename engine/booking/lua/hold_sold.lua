-- Marks what PostgreSQL has sold: the seats of many bookings as one change. Repeating it changes nothing: only seats that still have the version at which they were
-- sold are marked.
--
-- ARGV  2.. per booking: hold id or '' (then the hold is left to expire), session or '' (then the hold tells), trace or '', number of seats, then seat, version as
--       held, seat, version...
-- Reply G
-- Cost  9 calls, and per booking 2 without a session, about 8 with one.
if redis.call('GET', e .. ':run') ~= ARGV[1] then
    return nomirror()
end
local now = clock()

local bookings, seats, want, trace = {}, {}, {}, ''
local at = 2
while ARGV[at] do
    local words, count = {}, tonumber(ARGV[at + 3])
    for i = 1, count do
        local n, v = ARGV[at + 2 + 2 * i], ARGV[at + 3 + 2 * i]
        seats[#seats + 1], want[#want + 1], words[i] = n, tonumber(v), n .. ':' .. v
    end
    bookings[#bookings + 1] = {id = ARGV[at], session = ARGV[at + 1], seats = table.concat(words, ',')}
    trace = trace ~= '' and trace or ARGV[at + 2] -- one change has one cause to name: the first
    at = at + 4 + 2 * count
end

local state, ver = read_seats(seats)
local sold, names, set, seen = {}, {}, {}, {}
for i = 1, #seats do
    if ver[i] == want[i] and state[i] >= FREE and not seen[seats[i]] then
        seen[seats[i]] = true
        sold[#sold + 1], names[#names + 1] = seats[i], e .. 'seat:' .. seats[i]
        set[#set + 1], set[#set + 2], set[#set + 3], set[#set + 4] = 'SET', 'u32', '#' .. seats[i], int(ver[i] + 1)
    end
end
if #sold > 0 then
    redis.call('DEL', unpack(names))
    write_state(sold, SOLD)
    redis.call('BITFIELD', e .. ':ver', unpack(set))
    log_change(SOLD, sold, 'sale', trace)
end

local function release(freed)
    if #freed > 0 then
        log_change(FREE, freed, 'release', trace)
    end
end

-- The pass is spent: what its session held beside goes back on sale, except what is being paid at this moment.
local function end_session(session)
    local s = e .. ':sess:' .. session
    local was = redis.call('HGET', s, 'state')
    if not was then
        -- Redis has forgotten the session; the pass is spent all the same.
        redis.call('HSET', s, 'state', 'booked')
        redis.call('PEXPIRE', s, '900000')
    elseif was == 'open' then
        redis.call('HSET', s, 'state', 'booked')
        for _, field in ipairs(redis.call('HKEYS', s)) do
            if string.sub(field, 1, 2) == 'h:' then
                local other = string.sub(field, 3)
                if redis.call('HGET', e .. ':hold:' .. other, 'paying') ~= '1' then
                    forget_expiry({other})
                    release((end_hold(other, 'released', now)))
                end
            end
        end
    end
    redis.call('ZREM', e .. ':q:active', session)
end

local ids = {}
for _, b in ipairs(bookings) do
    if b.id ~= '' then
        ids[#ids + 1] = b.id
    end
end
forget_expiry(ids)
for _, b in ipairs(bookings) do
    local session = b.session
    if b.id ~= '' then
        -- What the hold still has beyond the sale (it was changed while the sale was on its way) is free again.
        local freed, owner = end_hold(b.id, 'sold', now, b.seats)
        release(freed)
        session = session ~= '' and session or owner or ''
    end
    if session ~= '' then
        end_session(session)
    end
end
return 'G ' .. int(now)

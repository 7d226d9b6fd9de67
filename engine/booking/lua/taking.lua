-- Put behind common.lua, ending.lua and replay.lua in the scripts that take seats for a hold.

-- Looks whether all seats can be taken. Seats whose lock is gone while the state says held belong to holds past their time that nobody has swept: these are ended
-- here, so that an abandoned seat never waits for a sweeper. Returns the versions, and nil or the refused seats with why ('n:state,...').
-- `locks` are the values of the locks. 2 calls when all are free.
local function check_seats(seats, locks, now)
    local state, ver = read_seats(seats)
    for i = 1, #seats do
        if state[i] == HELD and not locks[i] then
            if expire_due(now, 100) > 0 then
                state, ver = read_seats(seats)
            end
            break
        end
    end
    local refused
    for i = 1, #seats do
        local why = state[i] - FREE
        if state[i] == FREE and locks[i] then
            why = 1
        end
        if why ~= 0 then
            if why < 0 or why > 3 then
                why = 0 -- no such seat
            end
            refused = (refused and refused .. ',' or '') .. seats[i] .. ':' .. why
        end
    end
    return ver, refused
end

-- `quantity` free places of first .. first+capacity-1, looked for from `hint` on and round; nil when there are not as many. A GETRANGE per 512 places.
local function find_places(first, capacity, quantity, hint)
    local found = {}
    local function scan(from, to)
        while from <= to do
            local last = math.min(from + 511, to)
            local part = redis.call('GETRANGE', e .. ':state', int(from), int(last))
            local at = string.find(part, '0', 1, true)
            while at do
                found[#found + 1] = from + at - 1
                if #found == quantity then
                    return true
                end
                at = string.find(part, '0', at + 1, true)
            end
            from = last + 1
        end
        return false
    end
    if scan(hint, first + capacity - 1) or scan(first, hint - 1) then
        table.sort(found)
        for i = 1, #found do
            found[i] = int(found[i])
        end
        return found
    end
end

-- Locks, state and expiry of `seats` for the hold `id` until `expires`.
local function take_seats(id, seats, expires, now)
    local px = int(expires - now + GRACE)
    for i = 1, #seats do
        redis.call('SET', e .. 'seat:' .. seats[i], id, 'PX', px)
    end
    write_state(seats, HELD)
end

-- Limits of session and customer for `seats` more seats and `holds` more holds. nil, or the answer to give. 1 call for each of the two.
-- Also returns the counters of the session: seats, holds, and whether it is open already.
local function check_limits(session, customer, pass_expires, max_seats, max_holds, seats, holds, now)
    local had_seats, had_holds, open = 0, 0, false
    if session ~= '' then
        local s = redis.call('HMGET', e .. ':sess:' .. session, 'state', 'seats', 'holds', 'cool_until')
        open = s[1] and true
        if (open and s[1] ~= 'open') or now >= pass_expires then
            return 'E ' .. now
        end
        had_seats, had_holds = tonumber(s[2] or 0), tonumber(s[3] or 0)
        if holds > 0 and s[4] and tonumber(s[4]) > now then
            return 'L ' .. now .. ' 2 ' .. s[4]
        end
        if had_holds + holds > max_holds then
            return 'L ' .. now .. ' 1 0'
        end
    end
    if had_seats + seats > max_seats then
        return 'L ' .. now .. ' 0 0'
    end
    if customer ~= '' then
        local c = redis.call('HMGET', e .. ':cust:' .. customer, 'seats', 'cool_until')
        if holds > 0 and c[2] and tonumber(c[2]) > now then
            return 'L ' .. now .. ' 2 ' .. c[2]
        end
        if tonumber(c[1] or 0) + seats > max_seats then
            return 'L ' .. now .. ' 0 0'
        end
    end
    return nil, had_seats, had_holds, open
end

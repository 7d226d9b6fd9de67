-- Put behind common.lua in the scripts that end holds.

-- Counters of session and customer after a hold of theirs with `count` seats ended. `abandoned`: it counts towards the cool-down.
local ABANDON_MAX, COOL_MS = 5, 60000
local function settle(id, session, customer, count, abandoned, now, keep_bought)
    local who = {}
    if session ~= '' and redis.call('HDEL', e .. ':sess:' .. session, 'h:' .. id) == 1 then
        local k = e .. ':sess:' .. session
        redis.call('HINCRBY', k, 'seats', int(-count))
        redis.call('HINCRBY', k, 'holds', '-1')
        who[1] = k
    end
    if customer ~= '' then
        local k = e .. ':cust:' .. customer
        if not keep_bought then
            redis.call('HINCRBY', k, 'seats', int(-count))
        end
        who[#who + 1] = k
    end
    if not abandoned then
        return
    end
    for _, k in ipairs(who) do
        if redis.call('HINCRBY', k, 'abandoned', '1') >= ABANDON_MAX then
            redis.call('HSET', k, 'abandoned', '0', 'cool_until', int(now + COOL_MS))
        end
    end
end

-- Takes holds that end out of the expiry set.
local function forget_expiry(ids)
    if #ids > 0 then
        redis.call('ZREM', e .. ':expiry', unpack(ids))
    end
end

-- Ends a live hold: its record becomes a tombstone, which goes by itself ten minutes after the hold's cap; the counters are settled, and the seats that are still its own (held, at the version it
-- holds them at) are freed in state and lock, unless they are exactly `sold` ('n:version,...', marked already). Returns the freed seats, which the caller logs, and
-- the session; no session when the hold had ended before. The caller forgets the expiry. 2 calls + 1 per counter, and 4 more when there is something to free.
local function end_hold(id, why, now, sold)
    local k = e .. ':hold:' .. id
    local r = redis.call('HMGET', k, 'session', 'customer', 'seats', 'gone', 'placed', 'expires')
    if not r[3] or r[4] then
        return {}
    end
    local seats, versions = parse_seats(r[3])
    local mine, locks = {}, {}
    if r[3] ~= sold then
        local state, ver = read_seats(seats)
        for i = 1, #seats do
            if state[i] == HELD and ver[i] == tonumber(versions[i]) then
                mine[#mine + 1] = seats[i]
                locks[#locks + 1] = e .. 'seat:' .. seats[i]
            end
        end
    end
    if #mine > 0 then
        redis.call('DEL', unpack(locks))
        write_state(mine, FREE)
    end
    redis.call('HSET', k, 'gone', why, 'paying', '0')
    -- Kept past half its time and then not bought: one that takes seats from others again and again has to pause.
    local late = why == 'expired' or (why == 'released' and 2 * (now - r[5]) > r[6] - r[5])
    settle(id, r[1], r[2], #seats, late, now, why == 'sold')
    return mine, r[1]
end

-- Ends up to `limit` holds whose expiry and grace have passed, a change each. Returns how many.
local function expire_due(now, limit)
    local due = redis.call('ZRANGEBYSCORE', e .. ':expiry', '-inf', int(now - GRACE), 'LIMIT', '0', int(limit))
    forget_expiry(due)
    for _, id in ipairs(due) do
        local freed = end_hold(id, 'expired', now)
        if #freed > 0 then
            log_change(FREE, freed, 'expire')
        end
    end
    return #due
end

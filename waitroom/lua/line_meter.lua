-- One pass of the meter: moves the line on Redis time and tells how it stands. Any worker may call it at any time.
--
-- KEYS  1 {e}:q:line  2 {e}:q:active  3 {e}:q:pressure  4 {e}:q:seatsleft  5 {e}:q:calls  6 {e}:q:claimed  7 {e}:q:back
-- ARGV  1 run_id
-- reply {} when the line is not known under this run_id; else the view, in the order of enum view_field (line_store.c)
-- cost  about 12 commands; the bit counts span the numbers whose claim window is open; one more per person called while skipping
--
-- first <= settled <= serving <= target <= next <= reserved. Numbers below `serving` are called; those in settled..serving may claim.
-- `target` is where the line goes next: the worker told to persist writes it to PostgreSQL, then line_confirm.lua moves `serving` there.
-- The engines tell how hard they are pressed, 0 to 100 (engine/booking/lua/pressure_tell.lua). The meter gives (100 - their mean) percent of
-- the rate: each engine is sent its share of those let in, so one of four at 100 costs a quarter. Who says nothing for two seconds does not
-- count, and nobody saying anything is no pressure. At 100 nobody is let in, credit or not.
-- `carry` is the admission credit in people, at most one second's worth (never less than one person), so admitted <= rate * t + burst.
--
-- After Redis was lost, nobody knows which of the reserved numbers below `old_high` were given. Whoever shows such a ticket is noted in
-- `back` (line_back.lua); from `skip_at` on, when everybody has had the time to ask once, numbers that are not there are passed over
-- without costing credit or room (zone skip_from..old_high). Who comes later may still claim within the window: line_claim.lua charges it.
local line = KEYS[1]
local f = redis.call('HMGET', line, 'run', 'epoch', 'first', 'next', 'reserved', 'target', 'serving', 'settled', 'at', 'carry',
    'measured', 'seq', 'version', 'rate', 'max_active', 'claim_ms', 'prequeue_at', 'opens_at', 'closes_at', 'paused', 'resume_at',
    'persisted_settled', 'persist_until', 'reserve_until', 'next_seen', 'join_rate', 'born', 'old_high', 'skip_at', 'skip_from')
if f[1] ~= ARGV[1] then
    return {}
end
local n = {}
for i = 2, 30 do
    n[i] = tonumber(f[i])
end
local next_number, reserved, target, serving, settled, at = n[4], n[5], n[6], n[7], n[8], n[9]
local carry, measured, rate, max_active, claim_ms = n[10], n[11], n[14], n[15], n[16]
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)

local old_high, skip_from = n[28], n[30]
if skip_from == 0 and old_high > 0 and now >= n[29] then
    skip_from = math.max(1, target)
end

-- Called and unclaimed places in from..upto-1, without those that were passed over.
local function outstanding(from, upto)
    if upto <= from then
        return 0
    end
    local places = upto - from
    local zone_from, zone_upto = math.max(from, skip_from), math.min(upto, old_high)
    if skip_from > 0 and zone_upto > zone_from then
        places = places - (zone_upto - zone_from) + redis.call('BITCOUNT', KEYS[7], zone_from, zone_upto - 1, 'BIT')
    end
    return places - redis.call('BITCOUNT', KEYS[6], from, upto - 1, 'BIT')
end

-- Claim windows that are over: who did not claim has missed the turn, and the place goes back into the credit.
local missed = 0
while true do
    local call = redis.call('LINDEX', KEYS[5], 0)
    if not call then
        break
    end
    local upto, last_at = string.match(call, '^(%d+):%d+:(%d+)$')
    upto = tonumber(upto)
    if tonumber(last_at) + claim_ms > now then
        break
    end
    redis.call('LPOP', KEYS[5])
    if upto > settled then
        missed = missed + outstanding(settled, upto)
        settled = upto
    end
end

redis.call('ZREMRANGEBYSCORE', KEYS[2], '-inf', now)
local active = redis.call('ZCARD', KEYS[2])
local unclaimed = outstanding(settled, target)
local told = redis.pcall('HVALS', KEYS[3])
local sum, engines = 0, 0
for i = 1, #told do
    local value, upto = string.match(told[i], '^(%d+) (%d+)$')
    if value and tonumber(upto) > now then
        sum, engines = sum + math.min(100, tonumber(value)), engines + 1
    end
end
local pressure = engines > 0 and math.ceil(sum / engines) or 0
local share = (100 - pressure) / 100

local opens_at, closes_at = n[18], n[19]
local open = opens_at > 0 and now >= opens_at and not (closes_at > 0 and now >= closes_at) and n[20] == 0 and now >= n[21]
-- A clock that jumped back gives nothing, one that jumped ahead a second at most.
local dt = math.min(1000, math.max(0, now - at))
local moved = 0
if open then
    local burst = rate > 0 and share > 0 and math.max(1, rate * share / 60) or 0
    carry = math.min(burst, carry + rate * share / 60000 * dt + missed)
    local waiting = next_number - target
    local budget = math.max(0, math.floor(math.min(carry, max_active - active - unclaimed)))
    while skip_from > 0 and target < old_high do
        local present = redis.call('BITPOS', KEYS[7], 1, target, old_high - 1, 'BIT')
        if present < 0 then
            target = old_high
        elseif moved < budget then
            moved = moved + 1
            target = present + 1
        else
            target = present
            break
        end
    end
    if target >= old_high or skip_from == 0 then
        local more = math.min(budget - moved, next_number - target)
        moved, target = moved + more, target + more
    end
    carry = carry - moved
    if dt > 0 and waiting > 0 then
        measured = measured + (1 - math.exp(-dt / 20000)) * (moved / dt * 60000 - measured)
    end
end

local persist, persist_until = 0, n[23]
if (target > serving or settled > n[22]) and now >= persist_until then
    persist, persist_until = 1, now + 1000
end

-- Numbers are reserved half a second of joins ahead: little is lost when Redis forgets, and nobody waits for a block.
local join_rate = n[26]
if dt > 0 then
    join_rate = join_rate + (1 - math.exp(-dt / 1000)) * ((next_number - n[25]) / dt * 1000 - join_rate)
end
local ahead = math.max(64, math.ceil(join_rate / 2))
local want, reserve_until = 0, n[24]
if reserved - next_number < ahead and now >= reserve_until then
    want, reserve_until = next_number + 2 * ahead, now + 1000
end

local seq = n[12] + 1
redis.call('HSET', line, 'target', target, 'settled', settled, 'at', now, 'carry', carry, 'measured', measured, 'seq', seq,
    'persist_until', persist_until, 'reserve_until', reserve_until, 'next_seen', next_number, 'join_rate', join_rate,
    'skip_from', skip_from)
return {now, n[2], n[3], next_number, serving, settled, target, active, pressure, math.floor(measured * 1000), seq, n[13], rate,
    max_active, claim_ms, n[17], opens_at, closes_at, n[20], n[21], n[27], old_high, persist, want, ahead,
    redis.call('HGET', line, 'salt'), redis.call('GET', KEYS[4]) or ''}

-- The buyer gives up: all holds of the session go back on sale as one change, its slot is given back, the pass is spent.
--
-- ARGV  2 session  3 expiry of the pass ms  4 trace or ''
-- Reply G (also when it had been given up before) | E (booked or expired) | P (a payment is under way)
-- Cost  8 calls + about 11 per hold.
if redis.call('GET', e .. ':run') ~= ARGV[1] then
    return nomirror()
end
local now = clock()
local s = e .. ':sess:' .. ARGV[2]
local all = redis.call('HGETALL', s)
local state, holds = nil, {}
for i = 1, #all, 2 do
    if all[i] == 'state' then
        state = all[i + 1]
    elseif string.sub(all[i], 1, 2) == 'h:' then
        holds[#holds + 1] = string.sub(all[i], 3)
    end
end
if state == 'given_up' then
    return 'G ' .. now
end
if (state and state ~= 'open') or now >= tonumber(ARGV[3]) then
    return 'E ' .. now
end
for _, id in ipairs(holds) do
    local r = redis.call('HMGET', e .. ':hold:' .. id, 'paying', 'expires')
    if r[1] == '1' and tonumber(r[2]) > now then
        return 'P ' .. now
    end
end
local freed = {}
forget_expiry(holds)
for _, id in ipairs(holds) do
    for _, n in ipairs(end_hold(id, 'released', now)) do
        freed[#freed + 1] = tonumber(n)
    end
end
if #freed > 0 then
    table.sort(freed)
    log_change(FREE, freed, 'release', ARGV[4])
end
redis.call('HSET', s, 'state', 'given_up', 'expires', ARGV[3])
redis.call('PEXPIREAT', s, ARGV[3] + 60000)
redis.call('ZREM', e .. ':q:active', ARGV[2])
return 'G ' .. now

-- The live holds of a session, and whether it is over.
--
-- ARGV  2 session  3 expiry of the pass ms
-- Reply G <now> hold; hold; ... | E (ended)
-- Cost  4 calls + 1 per hold.
if redis.call('GET', e .. ':run') ~= ARGV[1] then
    return nomirror()
end
local now = clock()
local all = redis.call('HGETALL', e .. ':sess:' .. ARGV[2])
local told = {}
local over = now >= tonumber(ARGV[3])
for i = 1, #all, 2 do
    if all[i] == 'state' and all[i + 1] ~= 'open' then
        over = true
    elseif string.sub(all[i], 1, 2) == 'h:' then
        local id = string.sub(all[i], 3)
        local r = redis.call('HMGET', e .. ':hold:' .. id, 'session', 'customer', 'fence', 'expires', 'cap', 'paying', 'seats', 'gone')
        if r[7] and not r[8] and tonumber(r[4]) > now then
            told[#told + 1] = hold_words(id, r[1], r[2], r[3], r[4], r[5], r[6], r[7])
        end
    end
end
if over then
    return 'E ' .. now
end
return 'G ' .. now .. ' ' .. table.concat(told, ';')

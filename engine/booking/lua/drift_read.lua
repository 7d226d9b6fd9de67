-- State and versions of a run of seats in one step, to be compared with PostgreSQL (drift.c).
--
-- ARGV  2 first seat  3 how many
-- Reply G <now> <length of the state string> <the state bytes, then four version bytes big endian per seat>. A held seat whose lock is gone reads 'L'. Nothing behind
--       the length when there are no such seats, or their versions are not whole.
-- Cost  4 calls, 1 more when seats are held.
if redis.call('GET', e .. ':run') ~= ARGV[1] then
    return nomirror()
end
local first, count = tonumber(ARGV[2]), tonumber(ARGV[3])
local state = redis.call('GETRANGE', e .. ':state', first, first + count - 1)
local ver = redis.call('GETRANGE', e .. ':ver', 4 * first, 4 * (first + count) - 1)
if #ver ~= 4 * #state then
    state, ver = '', ''
end
local held, locks = {}, {}
local at = string.find(state, '1', 1, true)
while at do
    held[#held + 1], locks[#locks + 1] = at, e .. 'seat:' .. first + at - 1
    at = string.find(state, '1', at + 1, true)
end
if #held > 0 then
    local by = redis.call('MGET', unpack(locks))
    for i = 1, #held do
        if not by[i] then
            state = string.sub(state, 1, held[i] - 1) .. 'L' .. string.sub(state, held[i] + 1)
        end
    end
end
return 'G ' .. clock() .. ' ' .. redis.call('STRLEN', e .. ':state') .. ' ' .. state .. ver

-- Marks seats as PostgreSQL has them (drift.c), each only if it still is here as it was read before: nothing newer is lost, and what has changed since is no drift.
--
-- ARGV  2 at most so many  3.. seat, state byte and version as read by drift_read, state (0, 2, 3) and version to set, seat...
-- Reply G <now> <seat,seat,...> the seats that were marked, none: '-'  |  M <now> <how many> more than ARGV[2], nothing was changed
-- Cost  3 calls, 7 more when something is marked; with held seats without a lock also 1 for each, and up to 100 due holds are ended first (a seat that waits for the
--       sweeper is no drift).
if redis.call('GET', e .. ':run') ~= ARGV[1] then
    return nomirror()
end
local now = clock()
local LOST = 76 -- 'L'
local asked, stray = {}, false
for i = 3, #ARGV, 5 do
    asked[#asked + 1] = ARGV[i]
    stray = stray or tonumber(ARGV[i + 1]) == LOST
end
if stray then
    expire_due(now, 100)
end
local state, ver = read_seats(asked)
local seats, locks, set, groups = {}, {}, {}, {}
for i = 1, #asked do
    local j = 5 * i - 2
    local read = tonumber(ARGV[j + 1])
    local same = ver[i] == tonumber(ARGV[j + 2]) and state[i] == (read == LOST and HELD or read)
    if same and (read ~= LOST or redis.call('EXISTS', e .. 'seat:' .. asked[i]) == 0) then
        local byte = FREE + ARGV[j + 3]
        local group = groups[byte] or {}
        groups[byte], group[#group + 1] = group, asked[i]
        seats[#seats + 1], locks[#locks + 1] = asked[i], e .. 'seat:' .. asked[i]
        set[#set + 1], set[#set + 2], set[#set + 3], set[#set + 4] = 'SET', 'u32', '#' .. asked[i], ARGV[j + 4]
    end
end
if #seats > tonumber(ARGV[2]) then
    return 'M ' .. now .. ' ' .. #seats
end
if #seats == 0 then
    return 'G ' .. now .. ' -'
end
redis.call('DEL', unpack(locks))
redis.call('BITFIELD', e .. ':ver', unpack(set))
local causes = { [FREE] = 'release', [SOLD] = 'sale', [BLOCKED] = 'block' }
for byte = FREE, BLOCKED do
    if groups[byte] then
        write_state(groups[byte], byte)
        log_change(byte, groups[byte], causes[byte])
    end
end
return 'G ' .. now .. ' ' .. table.concat(seats, ',')

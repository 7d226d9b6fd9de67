-- Seats as PostgreSQL has them after a refund, a block or an unblock. Only a version that is newer than what is here changes anything. A hold that loses a seat by
-- it loses at its commit.
--
-- ARGV  2 state 0, 2 or 3  3 cause  4 trace or ''  5.. seat, new version, seat, new version...
-- Reply G
-- Cost  7 calls.
if redis.call('GET', e .. ':run') ~= ARGV[1] then
    return nomirror()
end
local now = clock()
local seats, new = {}, {}
for i = 5, #ARGV, 2 do
    seats[#seats + 1], new[#new + 1] = ARGV[i], tonumber(ARGV[i + 1])
end
local byte = FREE + tonumber(ARGV[2])
local state, ver = read_seats(seats)
local changed, locks, set = {}, {}, {}
for i = 1, #seats do
    if new[i] > ver[i] and state[i] >= FREE then
        changed[#changed + 1], locks[#locks + 1] = seats[i], e .. 'seat:' .. seats[i]
        set[#set + 1], set[#set + 2], set[#set + 3], set[#set + 4] = 'SET', 'u32', '#' .. seats[i], int(new[i])
    end
end
if #changed > 0 then
    redis.call('DEL', unpack(locks))
    write_state(changed, byte)
    redis.call('BITFIELD', e .. ':ver', unpack(set))
    log_change(byte, changed, ARGV[3], ARGV[4])
end
return 'G ' .. now

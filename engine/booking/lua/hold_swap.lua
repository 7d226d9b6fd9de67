-- Adds seats to a hold and removes others in one step: all or nothing. Two changes when both are asked for: the removed seats become free, the added held; the
-- hold's fence is the newest.
--
-- ARGV  2 hold id  3 session or ''  4 idempotency key  5 fingerprint  6 trace or ''  7 expiry of the pass ms  8 max seats  9 number of seats to add
--       10.. seats to add, then seats to remove
-- Reply G hold | R | M | T refused seats | L | P | X | N | E | Z (nothing would be left, or a seat to remove is not in the hold)
-- Cost  about 15 calls + 1 per seat added or removed.
local id, session, idem, print, trace = ARGV[2], ARGV[3], ARGV[4], ARGV[5], ARGV[6]
local adds = tonumber(ARGV[9])
local add, names = {}, {e .. ':run', e .. ':idem:' .. idem}
for i = 1, adds do
    add[i] = ARGV[9 + i]
    names[i + 2] = e .. 'seat:' .. add[i]
end
local got = redis.call('MGET', unpack(names))
if got[1] ~= ARGV[1] then
    return nomirror()
end
local again = replay(got[2], print)
if again then
    return again
end
local now = clock()
local k = e .. ':hold:' .. id
local r = redis.call('HMGET', k, 'session', 'customer', 'fence', 'expires', 'cap', 'paying', 'seats', 'gone')
if not r[7] or r[1] ~= session or r[8] == 'released' then
    return 'N ' .. now
end
local expires = tonumber(r[4])
if r[8] or expires <= now then
    return 'X ' .. now
end
if r[6] == '1' then
    return 'P ' .. now
end
local seats, versions = parse_seats(r[7])
local version = {}
for i = 1, #seats do
    version[seats[i]] = versions[i]
end
local out, out_versions, locks = {}, {}, {}
for i = 10 + adds, #ARGV do
    local n = ARGV[i]
    if not version[n] then
        return 'Z ' .. now
    end
    out[#out + 1], out_versions[#out_versions + 1] = n, version[n]
    version[n] = nil
end
local more = adds - #out
if #seats + more == 0 then
    return 'Z ' .. now
end
local no, had_seats =
    check_limits(session, r[2], tonumber(ARGV[7]), tonumber(ARGV[8]) - (session == '' and #seats or 0), 1000000, more, 0, now)
if no then
    return no
end
for i = 1, adds do
    locks[i] = got[i + 2]
end
if adds > 0 then
    local ver, refused = check_seats(add, locks, now)
    if refused then
        return 'T ' .. now .. ' ' .. refused
    end
    for i = 1, adds do
        version[add[i]] = ver[i]
    end
end
local fence = r[3]
if #out > 0 then
    local state, ver = read_seats(out)
    local mine, mine_locks = {}, {}
    for i = 1, #out do
        if state[i] == HELD and ver[i] == tonumber(out_versions[i]) then
            mine[#mine + 1], mine_locks[#mine_locks + 1] = out[i], e .. 'seat:' .. out[i]
        end
    end
    if #mine > 0 then
        redis.call('DEL', unpack(mine_locks))
        write_state(mine, FREE)
        log_change(FREE, mine, 'release', trace)
    end
end
if adds > 0 then
    take_seats(id, add, expires, now)
    fence = log_change(HELD, add, 'hold', trace)
end
local list = {}
for n in pairs(version) do
    list[#list + 1] = tonumber(n)
end
table.sort(list)
for i = 1, #list do
    list[i] = list[i] .. ':' .. version[tostring(list[i])]
end
local count = #list
list = table.concat(list, ',')
redis.call('HSET', k, 'fence', fence, 'seats', list)
if session ~= '' then
    redis.call('HSET', e .. ':sess:' .. session, 'seats', had_seats + more, 'h:' .. id, count)
end
if r[2] ~= '' then
    redis.call('HINCRBY', e .. ':cust:' .. r[2], 'seats', more)
end
local told = ' ' .. now .. ' ' .. hold_words(id, session, r[2], fence, r[4], r[5], 0, list)
remember(idem, print, told)
return 'G' .. told

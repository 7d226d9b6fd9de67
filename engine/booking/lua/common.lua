-- Put in front of every script of the booking core.
--
-- KEYS[1]  '{e<id>}': every key of an event is this tag and a name, so all of them are on one slot
-- ARGV[1]  run_id of the Redis process as the engine knows it
--
-- Seats are numbers below the length of the state string. Replies are one line of words, first the outcome, then Redis TIME in ms.
local e = KEYS[1]
local GRACE = 2000
local FREE, HELD, SOLD, BLOCKED = 48, 49, 50, 51
-- Changes that wait for Kafka, per event: beyond it the oldest go, which costs the consumers a snapshot, never a seat.
local LOG_MAX = '4194304'

-- A number as text. Redis prints every number that redis.call is given with seventeen digits of a double, which costs about a microsecond each: what is an integer
-- goes there as text, made once.
local function int(n)
    return string.format('%d', n)
end

local function nomirror()
    return redis.error_reply('NOMIRROR this event has to be rebuilt from the truth')
end

local function clock()
    local t = redis.call('TIME')
    return t[1] * 1000 + math.floor(t[2] / 1000)
end

-- State bytes and versions of the seats: two calls however many there are. A seat that does not exist reads 0.
local function read_seats(seats)
    local a, b = {}, {}
    for i = 1, #seats do
        local o, j = '#' .. seats[i], 3 * i
        a[j - 2], a[j - 1], a[j] = 'GET', 'u8', o
        b[j - 2], b[j - 1], b[j] = 'GET', 'u32', o
    end
    return redis.call('BITFIELD', e .. ':state', unpack(a)), redis.call('BITFIELD', e .. ':ver', unpack(b))
end

local function write_state(seats, byte)
    local a = {}
    byte = int(byte)
    for i = 1, #seats do
        local j = 4 * i
        a[j - 3], a[j - 2], a[j - 1], a[j] = 'SET', 'u8', '#' .. seats[i], byte
    end
    redis.call('BITFIELD', e .. ':state', unpack(a))
end

-- One change, one rev, one record. The record's id is the rev.
local function log_change(byte, seats, cause, trace)
    local rev, state = int(redis.call('INCR', e .. ':rev')), int(byte - FREE)
    if trace and trace ~= '' then
        redis.call('XADD', e .. ':log', 'MAXLEN', '~', LOG_MAX, rev .. '-0', 'rev', rev, 'state', state, 'seats',
            table.concat(seats, ','), 'cause', cause, 'trace', trace)
    else
        redis.call('XADD', e .. ':log', 'MAXLEN', '~', LOG_MAX, rev .. '-0', 'rev', rev, 'state', state, 'seats',
            table.concat(seats, ','), 'cause', cause)
    end
    return rev
end

-- 'n:version,n:version' -> two arrays
local function parse_seats(text)
    local seats, versions = {}, {}
    for n, v in string.gmatch(text, '(%d+):(%d+)') do
        seats[#seats + 1], versions[#versions + 1] = n, v
    end
    return seats, versions
end

-- How a hold is told: id session customer fence expires cap paying seats, '-' for what is empty.
local function hold_words(id, session, customer, fence, expires, cap, paying, seats)
    return id .. ' ' .. (session == '' and '-' or session) .. ' ' .. (customer == '' and '-' or customer) .. ' ' .. fence .. ' ' ..
        expires .. ' ' .. cap .. ' ' .. paying .. ' ' .. seats
end

-- Gives numbers to those who join, the same number to the same join id: all joins of a loop turn in one call.
--
-- KEYS  1 {e}:q:line
-- ARGV  1 run_id  2 prefix of the buckets, "{e}:q:join:"  3 days a bucket is kept, in seconds  4.. join ids: 12 bytes of a keyed hash
-- reply {} when the line is not known under this run_id; else {epoch, now ms, next, reserved, then per join id: number, seconds
--       since the line was born at which it was given, 1 new / 0 known}; number -1: no reserved number left, -2: not open to joining
-- cost  per join: one HGET per level, HSET and EXPIRE when new
--
-- A bucket is a hash of about 90 entries in listpack form, 28 bytes each. Level k has 256 * 8^k buckets and takes the joins until it
-- is full; older ones stay where they are and are looked for level by level (at most four for 13 million people).
local BUCKETS, FILL, GROWTH, SECONDS = 256, 100, 8, 4194304
local f = redis.call('HMGET', KEYS[1], 'run', 'epoch', 'first', 'next', 'reserved', 'born', 'prequeue_at', 'opens_at', 'closes_at')
if f[1] ~= ARGV[1] then
    return {}
end
local first, next_number, reserved = tonumber(f[3]), tonumber(f[4]), tonumber(f[5])
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local prequeue_at, opens_at, closes_at = tonumber(f[7]), tonumber(f[8]), tonumber(f[9])
local joinable = ((prequeue_at > 0 and now >= prequeue_at) or (opens_at > 0 and now >= opens_at))
    and not (closes_at > 0 and now >= closes_at)
local age = math.max(0, math.min(SECONDS - 1, math.floor((now - tonumber(f[6])) / 1000)))

local level, buckets = 0, BUCKETS
local function level_up()
    while next_number - first >= FILL * buckets do
        level, buckets = level + 1, buckets * GROWTH
    end
end

local function bucket_of(id, at_level, count)
    local a, b, c, d = string.byte(id, 1, 4)
    return ARGV[2] .. at_level .. ':' .. (((a * 256 + b) * 256 + c) * 256 + d) % count
end

local function find(id)
    local at_level, count = level, buckets
    while at_level >= 0 do
        local entry = tonumber(redis.call('HGET', bucket_of(id, at_level, count), id) or -1)
        if entry >= first * SECONDS then
            return math.floor(entry / SECONDS), entry % SECONDS
        end
        at_level, count = at_level - 1, count / GROWTH
    end
end

local reply = {tonumber(f[2]), now, 0, reserved}
for i = 4, #ARGV do
    local id = ARGV[i]
    level_up()
    local number, given = find(id)
    local fresh = 0
    if not number then
        given = age
        if not joinable then
            number = -2
        elseif next_number >= reserved then
            number = -1
        else
            number, fresh = next_number, 1
            next_number = next_number + 1
            local bucket = bucket_of(id, level, buckets)
            redis.call('HSET', bucket, id, string.format('%.0f', number * SECONDS + age))
            redis.call('EXPIRE', bucket, ARGV[3], 'NX')
        end
    end
    reply[#reply + 1] = number
    reply[#reply + 1] = given
    reply[#reply + 1] = fresh
end
redis.call('HSET', KEYS[1], 'next', next_number)
reply[3] = next_number
return reply

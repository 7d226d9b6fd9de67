-- People who joined before Redis was lost show their tickets again: notes that they are there.
--
-- KEYS  1 {e}:q:line  2 {e}:q:back
-- ARGV  1 run_id  2.. numbers
-- reply 1, or 0 when the line is not known under this run_id
-- cost  1 command and one per number
--
-- A number that has been called already is not noted: it was passed over, and its claim is charged when it comes.
local f = redis.call('HMGET', KEYS[1], 'run', 'target', 'old_high')
if f[1] ~= ARGV[1] then
    return 0
end
local target, old_high = tonumber(f[2]), tonumber(f[3])
for i = 2, #ARGV do
    local number = tonumber(ARGV[i])
    if number >= target and number < old_high then
        redis.call('SETBIT', KEYS[2], number, 1)
    end
end
return 1

-- The state of all seats and its revision, of one step.
--
-- ARGV  2 revision that the caller has, 0 for none
-- Reply G <now> <rev> <state string>, without the state when the revision is the caller's
-- Cost  2 calls, 3 with the state.
local got = redis.call('MGET', e .. ':run', e .. ':rev')
if got[1] ~= ARGV[1] then
    return nomirror()
end
local now = clock()
if got[2] == ARGV[2] then
    return 'G ' .. now .. ' ' .. got[2]
end
return 'G ' .. now .. ' ' .. got[2] .. ' ' .. redis.call('GET', e .. ':state')

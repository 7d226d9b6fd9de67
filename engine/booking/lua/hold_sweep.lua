-- Ends holds past their expiry and grace.
--
-- ARGV  2 at most so many
-- Reply G <now> <how many>
-- Cost  3 calls, about 14 per hold.
if redis.call('GET', e .. ':run') ~= ARGV[1] then
    return nomirror()
end
local now = clock()
return 'G ' .. now .. ' ' .. expire_due(now, tonumber(ARGV[2]))

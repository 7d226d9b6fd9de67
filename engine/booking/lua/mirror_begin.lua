-- Starts a rebuild: from here on every script answers NOMIRROR, so no mark can be lost in what is about to be overwritten.
--
-- ARGV  2 token  3 '1': also when the mirror is valid
-- Reply G <now> <epoch of what is here> (ours to build) | V (it is valid) | B (another is at it)
-- Cost  5 calls.
if ARGV[3] ~= '1' then
    if redis.call('GET', e .. ':run') == ARGV[1] then
        return 'V 0'
    end
    if redis.call('EXISTS', e .. ':rebuild') == 1 then
        return 'B 0'
    end
end
-- A rebuild has five seconds (mirror.c); one whose engine died must not keep the others waiting much longer.
redis.call('SET', e .. ':rebuild', ARGV[2], 'PX', 6000)
redis.call('DEL', e .. ':run')
-- The new epoch has to be above everything that was ever logged here, even if PostgreSQL came from a backup.
local rev = tonumber(redis.call('GET', e .. ':rev') or 0)
if redis.call('EXISTS', e .. ':log') == 1 then
    local info = redis.call('XINFO', 'STREAM', e .. ':log')
    for i = 1, #info, 2 do
        if info[i] == 'last-generated-id' then
            rev = math.max(rev, tonumber(string.match(info[i + 1], '^%d+')))
        end
    end
end
return 'G 0 ' .. math.floor(rev / 2 ^ 40)

-- Starts a rebuild: from here on every script answers NOMIRROR, so no mark can be lost in what is about to be overwritten.
--
-- ARGV  2 token  3 '1': also when the mirror is valid
-- Reply G (ours to build) | V (it is valid) | B (another is at it)
-- Cost  3 calls.
if ARGV[3] ~= '1' then
    if redis.call('GET', e .. ':run') == ARGV[1] then
        return 'V 0'
    end
    if redis.call('EXISTS', e .. ':rebuild') == 1 then
        return 'B 0'
    end
end
redis.call('SET', e .. ':rebuild', ARGV[2], 'PX', 15000)
redis.call('DEL', e .. ':run')
return 'G 0'

-- Put behind common.lua in the scripts of idempotent writes.

-- The record of an idempotent write: nil when the key is new, else the answer to give.
local function replay(record, fingerprint)
    if not record then
        return nil
    end
    if string.sub(record, 1, 64) ~= fingerprint then
        return 'M 0'
    end
    return 'R' .. string.sub(record, 65)
end

local function remember(key, fingerprint, answer)
    if key ~= '' then
        redis.call('SET', e .. ':idem:' .. key, fingerprint .. answer, 'PX', '3600000')
    end
end

-- The worker of these leases is alive. KEYS: the sorted sets. ARGV: now, lease in ms; then the
-- lease in each. One that has run out already stays so.

local now = now_ms(ARGV[1])
local renewed = 0
for at = 1, #KEYS do
  local until_ms = redis.call('ZSCORE', KEYS[at], ARGV[2 + at])
  if until_ms and tonumber(until_ms) > now then
    redis.call('ZADD', KEYS[at], now + tonumber(ARGV[2]), ARGV[2 + at])
    renewed = renewed + 1
  end
end
return renewed

-- How accounts stand. KEYS: account, leases, for each. ARGV: now, charges.

local now = now_ms(ARGV[1])
local answer = {}
for at = 1, #KEYS / 2 do
  sweep(KEYS[2 * at - 1], KEYS[2 * at], now, ARGV[2])
  for _, figure in ipairs(standing(KEYS[2 * at - 1])) do answer[#answer + 1] = figure end
end
return answer

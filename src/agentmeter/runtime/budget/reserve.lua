-- Reserve something of every account, or nothing of any.
-- KEYS: account, leases, for each. ARGV: now, charges, lease in ms, kept for s; then for each
-- account the lease, the needs and the limits by measure ('' for none), and 1 if more may be taken.

local now = now_ms(ARGV[1])
local width = 8

for at = 1, #KEYS / 2 do
  sweep(KEYS[2 * at - 1], KEYS[2 * at], now, ARGV[2])
end

for at = 1, #KEYS / 2 do
  local found = standing(KEYS[2 * at - 1])
  local first = 4 + (at - 1) * width
  for measure = 1, 3 do
    local need, limit = ARGV[first + 1 + measure], ARGV[first + 4 + measure]
    if limit ~= '' then
      local taken = tonumber(found[measure]) + tonumber(found[measure + 3])
      local after = taken + tonumber(need)
      local lacks = need ~= '0' and after > tonumber(limit)
      local used_up = need == '0' and ARGV[first + 8] == '1' and taken >= tonumber(limit)
      if lacks or used_up then
        return {'refused', tostring(at - 1), tostring(measure - 1), unpack(found)}
      end
    end
  end
end

local answer = {'reserved'}
for at = 1, #KEYS / 2 do
  local account, leases = KEYS[2 * at - 1], KEYS[2 * at]
  local first = 4 + (at - 1) * width
  local lease = ARGV[first + 1]
  local need = {ARGV[first + 2], ARGV[first + 3], ARGV[first + 4]}
  local held = redis.call('HGET', account, 'l:' .. lease)
  local total = need
  if held then
    local before = parts(held)
    total = {}
    for measure = 1, 3 do
      total[measure] = string.format('%.0f', tonumber(before[measure]) + tonumber(need[measure]))
    end
  end
  add(account, 'r', need)
  redis.call('HSET', account, 'l:' .. lease, table.concat(total, ' '))
  redis.call('ZADD', leases, now + tonumber(ARGV[3]), lease)
  keep(account, leases, ARGV[4])
  for _, figure in ipairs(standing(account)) do answer[#answer + 1] = figure end
end
return answer

-- Let go of a lease and charge what was spent; without a lease ('') only charge.
-- KEYS: account, leases, for each. ARGV: now, charges, kept for s, lease; then the amounts of each.

local now = now_ms(ARGV[1])
local lease = ARGV[4]

for at = 1, #KEYS / 2 do
  local account, leases = KEYS[2 * at - 1], KEYS[2 * at]
  local first = 4 + (at - 1) * 3
  if lease ~= '' and not release(account, leases, lease) then
    local charged = redis.call('HGET', account, 'x:' .. lease)
    if charged then
      add(account, 's', negative(parts(charged)))
      redis.call('HDEL', account, 'x:' .. lease)
    end
  end
  sweep(account, leases, now, ARGV[2])
  add(account, 's', {ARGV[first + 1], ARGV[first + 2], ARGV[first + 3]})
  keep(account, leases, ARGV[3])
end
return 'settled'

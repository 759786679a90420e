-- What leases of dead workers hold is no longer under way. Its truth is unknown, so it is charged
-- at its worst case, or let go, as configured; late news of such a lease corrects that.
--
-- An account is a hash: spent and reserved by measure (su st sc, ru rt rc), and for each lease
-- what it holds: "l:ID" while it lives, "x:ID" once it is overdue, as "usd tokens calls". Beside
-- it stands a sorted set of the leases by when they run out, in milliseconds.
-- Amounts stay text until they are compared: doubles hold integers up to 2^53 exactly, and the
-- client refuses larger ones.

local function now_ms(given)
  if given ~= '' then return tonumber(given) end
  local time = redis.call('TIME')
  return tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000)
end

local function parts(text)
  local usd, tokens, calls = string.match(text, '^(%-?%d+) (%-?%d+) (%-?%d+)$')
  return {usd, tokens, calls}
end

local function add(account, side, amounts)
  for at, measure in ipairs({'u', 't', 'c'}) do
    if amounts[at] ~= '0' then
      redis.call('HINCRBY', account, side .. measure, amounts[at])
    end
  end
end

local function negative(amounts)
  local result = {}
  for at, amount in ipairs(amounts) do
    if amount == '0' then result[at] = '0'
    elseif string.sub(amount, 1, 1) == '-' then result[at] = string.sub(amount, 2)
    else result[at] = '-' .. amount end
  end
  return result
end

-- Let go of what a lease holds of an account; what it held, or nil.
local function release(account, leases, lease)
  local held = redis.call('HGET', account, 'l:' .. lease)
  if not held then return nil end
  add(account, 'r', negative(parts(held)))
  redis.call('HDEL', account, 'l:' .. lease)
  redis.call('ZREM', leases, lease)
  return held
end

local function sweep(account, leases, now, charges)
  for _, lease in ipairs(redis.call('ZRANGEBYSCORE', leases, '-inf', now)) do
    local held = release(account, leases, lease)
    if held and charges == '1' then
      add(account, 's', parts(held))
      redis.call('HSET', account, 'x:' .. lease, held)
    end
  end
end

local function keep(account, leases, seconds)
  redis.call('EXPIRE', account, seconds)
  redis.call('EXPIRE', leases, seconds)
end

local function standing(account)
  local found = redis.call('HMGET', account, 'su', 'st', 'sc', 'ru', 'rt', 'rc')
  for at = 1, 6 do found[at] = found[at] or '0' end
  return found
end

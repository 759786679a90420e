-- The leaves of all other requests, each from its own record.
--
-- :columns    what is asked for
-- :once       where records are there more than once
-- :joined     what has to be known of the request
SELECT :columns
FROM (
    SELECT
        *,
        kind = 'call' AS leaf,
        :tokens AS tokens,
        :total_input AS total_input,
        tokens > 0 OR :others > 0 AS used,
        all_reported = 'true' OR known = [] AS plainly,
        charge != '' AND NOT used
            OR (NOT plainly AND arrayAll(x -> startsWith(x, 'charged'), known)) AS is_charge
    FROM (:entries)
    WHERE entry = 'record' AND (kind = 'call' OR parent_id = '')
        AND request_id NOT IN (SELECT request_id FROM entangled)
    :once
) AS one
LEFT JOIN rates ON rates.of_tariff = one.tariff
:joined
WHERE of_tariff = '' OR (
    started_ns >= from_ns AND started_ns < until_ns
    AND total_input >= from_total AND total_input < until_total
    AND intDiv(started_ns, 1000000000) % 86400 >= from_second
    AND intDiv(started_ns, 1000000000) % 86400 < until_second
    AND (intDiv(started_ns, 86400000000000) + 3) % 7 + 1 >= from_day
    AND (intDiv(started_ns, 86400000000000) + 3) % 7 + 1 < until_day
)

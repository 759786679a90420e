, costs AS (
    SELECT request_id, sum(paid) AS total
    FROM (
        SELECT request_id, paid FROM leaves
        UNION ALL SELECT request_id, toDecimal128('0', 18) FROM scopes
    )
    WHERE request_id != 'unattributed'
    GROUP BY request_id
),
ranked AS (
    SELECT total, row_number() OVER (ORDER BY total) AS rank, count() OVER () AS requests FROM costs
)
-- by nearest rank: the smallest cost that at least so many of a thousand requests do not exceed
SELECT
    concat('p', replaceOne(toString(permille / 10), '.0', '')) AS "percentile",
    min(total) AS "cost of a request"
FROM ranked
CROSS JOIN (SELECT arrayJoin([500, 750, 900, 950, 990, 999, 1000]) AS permille) AS wanted
WHERE rank * 1000 >= requests * permille
GROUP BY permille
ORDER BY permille

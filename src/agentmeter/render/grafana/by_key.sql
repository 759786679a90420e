SELECT
    if(:key = '', '-', :key) AS ":title",
    uniqExact(request_id) AS "requests",
    sum(leaves.calls) AS "calls",
    sum(paid) AS "cost",
    sumIf(paid, status IN ('error', 'cancelled', 'cut')) AS "failed, cancelled or cut",
    sumIf(leaves.calls, unpriced) AS "without a price"
FROM leaves
GROUP BY :key
ORDER BY "cost" DESC, ":title"
LIMIT 100

SELECT
    request_id AS "request",
    any(leaves.user) AS "user",
    any(leaves.tenant) AS "tenant",
    any(leaves.feature) AS "feature",
    min(at) AS "began",
    sum(leaves.calls) AS "calls",
    sum(paid) AS "cost",
    sumIf(leaves.calls, unpriced) AS "without a price"
FROM leaves
WHERE request_id != 'unattributed'
GROUP BY request_id
ORDER BY "cost" DESC, "request"
LIMIT 50

SELECT
    sum(paid) AS "cost",
    (SELECT uniqExact(request_id) FROM scopes WHERE request_id != 'unattributed') AS "requests",
    sum(paid) / greatest(1, "requests") AS "per request",
    sumIf(paid, status IN ('error', 'cancelled', 'cut')) AS "failed, cancelled or cut",
    sumIf(calls, unpriced) / greatest(1, sum(calls)) AS "calls without a price"
FROM leaves

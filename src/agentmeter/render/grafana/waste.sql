SELECT
    multiIf(status = 'error', 'failed call', status = 'cancelled', 'cancelled call', 'lost stream')
        AS "what was lost",
    sum(leaves.calls) AS "calls",
    sum(paid) AS "cost"
FROM leaves
WHERE status IN ('error', 'cancelled', 'cut')
GROUP BY "what was lost"
ORDER BY "cost" DESC, "what was lost"

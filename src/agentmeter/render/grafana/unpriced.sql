SELECT
    if(provider = '', '-', provider) AS "provider",
    if(model = '', '-', model) AS "model",
    sumIf(leaves.calls, unpriced) AS "without a price",
    sum(leaves.calls) AS "calls",
    sumIf(leaves.calls, unpriced) / sum(leaves.calls) AS "share"
FROM leaves
GROUP BY provider, model
HAVING sumIf(leaves.calls, unpriced) > 0
ORDER BY "without a price" DESC, "provider", "model"

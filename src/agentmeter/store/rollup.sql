-- Every leaf counted once, under its key; the dearest first.
--
-- :key        an expression over a leaf
-- :requests   how many requests have a leaf under the key
-- :sums       quantities by meter, amounts and waste by currency
-- :chosen     which leaves
-- :limit      how many keys
SELECT
    :key AS key,
    :requests,
    sum(calls),
    sum(CASE WHEN partial THEN 1 ELSE 0 END):sums
FROM leaves
WHERE leaf AND :chosen
GROUP BY :key
ORDER BY coalesce(sum(cost), 0) DESC, key
:limit

-- What the input was paid for, by where it came from; the dearest first.
SELECT origin, count(*) AS calls, sum(paid.tokens) AS tokens:sums
FROM (
    SELECT currency, origin, origins[origin] AS paid
    FROM (
        SELECT currency, origins, unnest(map_keys(origins)) AS origin
        FROM leaves
        WHERE leaf AND :chosen
    ) AS one
) AS each
GROUP BY origin
ORDER BY coalesce(sum(paid.cost), 0) DESC, origin

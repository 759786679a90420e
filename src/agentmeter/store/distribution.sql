-- The cost of a request, by nearest rank: the smallest cost that at least so many percent of the
-- requests do not exceed. Ranks are counted, not interpolated, so that all engines agree.
WITH costs AS (
    SELECT
        request_id,
        coalesce(sum(:cost), 0) AS cost,
        max(CASE WHEN partial THEN 1 ELSE 0 END) AS partial
    FROM leaves
    WHERE request_id <> 'unattributed' AND :chosen
    GROUP BY request_id
),
counted AS (
    SELECT count(*) AS requests, sum(cost) AS total, max(cost) AS dearest, sum(partial) AS partial
    FROM costs
),
ranked AS (SELECT cost, row_number() OVER (ORDER BY cost) AS rank FROM costs)
SELECT min(requests), min(total), min(dearest), min(partial):percentiles
FROM ranked CROSS JOIN counted

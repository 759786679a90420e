-- The cost of a request, by nearest rank: the smallest cost that at least so many percent of the
-- requests do not exceed. Ranks are counted, not interpolated, so that all engines agree.
WITH costs AS (
    SELECT
        request_id,
        coalesce(sum(:cost), 0) AS paid,
        max(CASE WHEN partial THEN 1 ELSE 0 END) AS unsure
    FROM leaves
    WHERE request_id <> 'unattributed' AND :chosen
    GROUP BY request_id
),
counted AS (
    SELECT count(*) AS requests, sum(paid) AS total, max(paid) AS dearest, sum(unsure) AS doubted
    FROM costs
),
ranked AS (SELECT paid, row_number() OVER (ORDER BY paid) AS rank FROM costs)
SELECT min(requests), min(total), min(dearest), min(doubted):percentiles
FROM ranked CROSS JOIN counted

-- The cost of a request, by nearest rank: the smallest cost that at least so many percent of the
-- requests do not exceed. Ranks are counted, not interpolated, so that all engines agree.
--
-- :ranked   the costs at the percentiles, as a list
SELECT
    count(*) AS requests,
    sum(paid) AS total,
    max(paid) AS dearest,
    sum(unsure) AS doubted,
    :ranked AS ranked
FROM (
    SELECT
        request_id,
        coalesce(sum(:cost), 0) AS paid,
        max(CASE WHEN partial THEN 1 ELSE 0 END) AS unsure
    FROM leaves
    WHERE request_id <> 'unattributed' AND :chosen
    GROUP BY request_id
) AS costs

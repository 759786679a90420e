-- The cost of a request, by nearest rank: the smallest cost that at least so many percent of the
-- requests do not exceed. Ranks are counted, not interpolated, so that all engines agree.
--
-- :percentiles   places in `ranked`, the costs from the smallest on
SELECT requests, total, dearest, doubted:percentiles
FROM (
    SELECT
        count(*) AS requests,
        sum(paid) AS total,
        max(paid) AS dearest,
        sum(unsure) AS doubted,
        list_sort(list(paid)) AS ranked
    FROM (
        SELECT
            request_id,
            coalesce(sum(:cost), 0) AS paid,
            max(CASE WHEN partial THEN 1 ELSE 0 END) AS unsure
        FROM leaves
        WHERE request_id <> 'unattributed' AND :chosen
        GROUP BY request_id
    ) AS costs
) AS counted

-- The turn of its loop that each leaf belongs to: one that begins after every call of the turn has
-- ended begins the next one; side by side they are of one.
--
-- :plain   the leaves with `of`, `began`, `ended`, `turns` (a model call) and `loop`
-- :told    the columns that are asked for besides
SELECT
    concat(loop.7, ' #', toString(greatest(1, sum(starts) OVER (
        PARTITION BY of, loop.6 ORDER BY began
        RANGE BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW
    )))) AS iteration:told
FROM (
    SELECT
        *,
        turns AND began >= ifNull(max(if(turns, ended, NULL)) OVER (
            PARTITION BY of, loop.6 ORDER BY began, ended
            ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING
        ), 0) AS starts
    FROM (:plain)
)

-- Quantities of meters that are the application's own, by key.
SELECT :key AS key, meter, sum(own_usage[meter]) AS quantity
FROM (
    SELECT *, unnest(map_keys(own_usage)) AS meter FROM leaves WHERE leaf AND :chosen
) AS one
GROUP BY :key, meter

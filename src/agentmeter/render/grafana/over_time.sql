SELECT $__timeInterval(at) AS time, if(:key = '', '-', :key) AS series, sum(paid) AS cost
FROM leaves
WHERE :key IN (SELECT :key FROM leaves GROUP BY :key ORDER BY sum(paid) DESC LIMIT 12)
GROUP BY time, series
ORDER BY time, series

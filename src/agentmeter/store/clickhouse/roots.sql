LEFT JOIN (
    SELECT request_id AS of_request, any(name) AS request_name, any(status) AS request_status,
        any(started_ns) AS request_started_ns, any(ended_ns) AS request_ended_ns
    FROM (:entries)
    WHERE entry = 'record' AND parent_id = ''
        AND request_id NOT IN (SELECT request_id FROM entangled)
    GROUP BY request_id
) AS roots ON roots.of_request = one.request_id

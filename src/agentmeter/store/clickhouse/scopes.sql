-- The scopes around each call, the nearest of each kind: the chain of parents is walked within the
-- arrays of its request. `around` is (next, agent, step, tool, branch, loop's id, loop's name).
LEFT JOIN (
    SELECT request_id AS in_request, groupArray(scope_id) AS ids, groupArray(parent_id) AS above,
        groupArray(kind) AS kinds, groupArray(name) AS called
    FROM (
        SELECT DISTINCT request_id, scope_id, parent_id, kind, name
        FROM (:entries)
        WHERE entry = 'record' AND kind != 'call'
            AND request_id NOT IN (SELECT request_id FROM entangled)
    )
    GROUP BY request_id
) AS scopes ON scopes.in_request = one.request_id

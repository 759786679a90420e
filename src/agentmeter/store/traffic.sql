-- What each request used of each model, and what that cost; by user, start and id.
--
-- :marks      which of the meters were used, as bits
-- :meters     quantities by meter
-- :costs      amounts by currency
SELECT
    request_id,
    used,
    any_value(request_started_ns) AS started,
    any_value("user") AS owned_by,
    any_value(tenant),
    any_value(feature),
    any_value(plan),
    any_value(tagged),
    any_value(request_name),
    any_value(request_status),
    bool_or(lower_bound),
    bool_or(leaf):marks:meters:costs
FROM (
    SELECT
        *,
        CASE WHEN charge THEN name ELSE priced_model END AS used,
        CASE WHEN charge THEN 1 END AS charged,
        CASE WHEN tags IS NOT NULL THEN CAST(to_json(tags) AS VARCHAR) END AS tagged
    FROM leaves
    WHERE request_id <> ':unattributed'
) AS one
GROUP BY request_id, used
ORDER BY owned_by NULLS FIRST, started, request_id, used NULLS FIRST

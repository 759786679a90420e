-- The requests that hang together with others: with work that is shared, with a span of others in
-- their trace that names no request, with a stray call that names the same response.
SELECT request_id FROM (:entries) WHERE entry = 'record' AND shares != ''
UNION DISTINCT
SELECT arrayJoin(extractAll(shares, '\\d+:([^"\',\\]]+)')) AS request_id
FROM (:entries) WHERE entry = 'record' AND shares != ''
UNION DISTINCT
SELECT request_id FROM (:entries)
WHERE request_id != '' AND entry IN ('record', 'opened') AND trace_id IN (
    SELECT TraceId FROM :spans
    WHERE :when AND @agentmeter.entry = '' AND @agentmeter.request.id = '' AND :telling
)
UNION DISTINCT
SELECT request_id FROM (:entries)
WHERE request_id != '' AND response_id != '' AND response_id IN (
    SELECT @gen_ai.response.id FROM :spans
    WHERE :when AND @agentmeter.request.id IN ('', 'unattributed') AND @gen_ai.response.id != ''
)
UNION DISTINCT
SELECT request_id FROM (:entries) WHERE request_id = 'unattributed'

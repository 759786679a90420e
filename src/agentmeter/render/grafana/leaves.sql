-- The calls and charges of a span of time, each once. `@name` is an attribute of a span, as text.
WITH scopes AS (
    SELECT
        @agentmeter.request.id AS request_id,
        @agentmeter.scope.id AS scope_id,
        @agentmeter.scope.parent_id AS parent_id,
        @agentmeter.scope.kind AS kind,
        @agentmeter.scope.name AS name,
        @agentmeter.status AS status,
        @agentmeter.owner.user AS user,
        @agentmeter.owner.tenant AS tenant,
        @agentmeter.owner.feature AS feature,
        @gen_ai.provider.name AS provider,
        if(@gen_ai.response.model != '', @gen_ai.response.model, @gen_ai.request.model) AS model,
        @gen_ai.usage.cost.amount AS amount,
        @gen_ai.usage.cost.currency AS currency,
        arrayExists(name -> startsWith(name, 'agentmeter.usage.'), :names) AS used,
        endsWith(@agentmeter.evidence.input, '/unknown')
            OR endsWith(@agentmeter.evidence.output, '/unknown') AS unknown,
        toInt64(if(@agentmeter.calls = '', '1', @agentmeter.calls)) AS calls,
        Timestamp AS at
    FROM :spans
    WHERE $__timeFilter(Timestamp) AND @agentmeter.entry = 'record'
    -- a span may have been delivered twice, and once without its cost
    ORDER BY amount = ''
    LIMIT 1 BY request_id, scope_id
),
leaves AS (
    SELECT
        *,
        toDecimal128(if(amount != '' AND currency = '${currency}', amount, '0'), 18) AS paid,
        amount = '' AND (used OR unknown) AS unpriced
    FROM scopes
    -- a call that contains calls is counted as those
    WHERE kind = 'call' AND scope_id NOT IN (SELECT parent_id FROM scopes WHERE kind = 'call')
)

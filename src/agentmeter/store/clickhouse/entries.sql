-- Entries of ours as columns. `@name` is an attribute as text, blank where the span has none.
--
-- :quantities   one column for each meter in use, 0 for none
-- :tags, :own   maps of the tags and of the meters of the application's own
-- :evidence     the evidence of each meter that is told apart, blank for none
-- :sampled      whether it came through a pipeline that drops some
-- :telling      whether an attribute is of a GenAI dialect
-- :spans        the table of spans
-- :when         of which time
SELECT
    @agentmeter.request.id AS request_id,
    @agentmeter.entry AS entry,
    @agentmeter.scope.id AS scope_id,
    @agentmeter.scope.parent_id AS parent_id,
    @agentmeter.scope.kind AS kind,
    @agentmeter.scope.name AS name,
    @agentmeter.status AS status,
    @agentmeter.observer AS observer,
    @agentmeter.shares AS shares,
    splitByChar('/', @agentmeter.scope.place) AS place,
    toInt64OrZero(place[1]) AS position,
    toInt64OrZero(place[2]) AS children,
    TraceId AS trace_id,
    toUnixTimestamp64Nano(Timestamp) AS started_ns,
    started_ns + toInt64(Duration) AS ended_ns,
    @agentmeter.owner.user AS user,
    @agentmeter.owner.tenant AS tenant,
    @agentmeter.owner.feature AS feature,
    @agentmeter.owner.plan AS plan,
    :tags AS tags,
    @gen_ai.request.stream AS streamed,
    @gen_ai.provider.name AS asked_provider,
    @gen_ai.request.model AS asked_model,
    @gen_ai.response.model AS response_model,
    @gen_ai.response.id AS response_id,
    @gen_ai.operation.name AS operation,
    @agentmeter.charge.amount AS charge,
    @agentmeter.charge.currency AS charge_currency,
    @agentmeter.tariff AS tariff,
    @agentmeter.calls AS stands_for,
    @agentmeter.input.digest AS digest,
    @agentmeter.discarded AS discarded,
    @agentmeter.evidence_all_reported AS all_reported,
    :sampled AS sampled,
    :telling AS telling,
    arrayFilter(x -> x != '', :evidence) AS known,
    :own AS own_usage:quantities
FROM :spans
WHERE :when

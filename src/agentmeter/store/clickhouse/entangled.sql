-- The requests whose leaves cannot be told from their records one by one: work that is shared,
-- thrown away or repeated, counts that came late, calls inside of calls, what several observers saw,
-- what has left no record. They are few, and are resolved where all such rules are.
--
-- :overlaid   whether an amendment says what was used
-- :counted    the quantities
-- :odd        what of a record SQL does not price or count
-- :most       how many to name
SELECT
    groupArrayIf(:most)(request_id, entangled),
    countIf(entangled),
    countIf(NOT entangled AND repeated),
    countIf(only_sampled)
FROM (
    SELECT
        request_id,
        groupUniqArrayIf((scope, children, facts), entry = 'record') AS records,
        length(arrayDistinct(arrayMap(x -> x.1, records))) AS scopes,
        countIf(entry = 'record') > length(records) AS repeated,
        minIf(sampled, entry != '') = 1 AS only_sampled,
        NOT (
            scopes > 0
            AND length(records) = scopes
            AND uniqExact(scope) = scopes
            AND arraySum(arrayMap(x -> x.2, records)) + 1 = scopes
            AND countIf(entry = 'record' AND parent_id = '') > 0
            AND minIf(scope, entry = 'record' AND parent_id = '')
                = maxIf(scope, entry = 'record' AND parent_id = '')
            AND minIf(observer, entry = 'record' AND kind = 'call')
                = maxIf(observer, entry = 'record' AND kind = 'call')
            AND minIf(owner, entry = 'record') = maxIf(owner, entry = 'record')
            AND uniqExactIf((scope, digest), digest != '') = uniqExactIf(digest, digest != '')
            AND countIf(strange) = 0
        ) AS entangled
    FROM (
        SELECT
            *,
            cityHash64(scope_id) AS scope,
            cityHash64(user, tenant, feature, plan, tags) AS owner,
            cityHash64(parent_id, kind, name, status, place, started_ns, ended_ns, streamed,
                asked_provider, asked_model, response_model, operation, charge, charge_currency,
                tariff, stands_for, all_reported, known, own_usage:counted) AS facts,
            multiIf(
                entry = '', 1,
                entry = 'amendment', discarded != '' OR :overlaid,
                entry != 'record', 0,
                (observer != '' AND NOT startsWith(observer, 'agentmeter'))
                    OR observer = 'agentmeter.folded'
                    OR request_id = 'unattributed'
                    OR shares != ''
                    OR kind NOT IN ('request', 'agent', 'step', 'branch', 'tool', 'call')
                    OR (kind = 'call') != (streamed != '')
                    OR (kind = 'call' AND children > 0)
                    OR (parent_id = '') != (kind = 'request')
                    OR (position = 0 AND parent_id != '')
                    OR (kind = 'branch' AND status IN ('error', 'cancelled'))
                    OR status = 'never_closed'
                    OR :odd
            ) AS strange
        FROM (:entries)
        WHERE request_id != '' AND (entry IN ('record', 'opened', 'amendment') OR (entry = '' AND telling))
    )
    GROUP BY request_id
)

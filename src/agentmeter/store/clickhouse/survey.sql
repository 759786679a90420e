-- What is in the table at all, in one row.
--
-- :names      the names of a span's attributes
-- :telling    whether one of them is of a GenAI dialect
-- :listed     the names that have to be known one by one
SELECT
    groupUniqArrayArray(arrayFilter(x -> :listed, :names)),
    countIf(@agentmeter.entry = '' AND @agentmeter.request.id = '' AND :telling),
    countIf(@agentmeter.shares != ''),
    countIf(@agentmeter.request.id = 'unattributed'),
    groupUniqArrayIf(@agentmeter.charge.currency, @agentmeter.charge.currency != ''),
    groupUniqArrayIf(
        @agentmeter.tariff, @agentmeter.tariff != '' AND @agentmeter.entry = 'record'
    )
FROM :spans
WHERE :when

-- Calls priced in SQL, to the same decimals as in Python.
--
-- Needs a relation `calls`, one row for each meter of a call:
--   call_id       what tells calls apart, of any type
--   meter         VARCHAR
--   quantity      BIGINT
--   at_ns         BIGINT   the call's start, ns since the epoch, UTC
--   total_input   BIGINT   all input tokens of the call, which steps are decided by
--   tariff        VARCHAR  the digest of its tariff, or NULL
--   unpriced      VARCHAR  why it has none, or NULL
--
-- Prices are DECIMAL(38, :scale): the scale holds every price, and so every product with a count,
-- exactly. Nothing is divided or rounded; what would overflow is an error.

CREATE OR REPLACE TABLE tariffs (digest VARCHAR, currency VARCHAR);

-- One row for each cell of a tariff and meter in which one rate holds. The cells do not overlap:
-- which of several rows of a tariff wins has been decided when they were made. All beginnings are
-- inclusive and all ends exclusive.
CREATE OR REPLACE TABLE rates (
    tariff       VARCHAR,
    meter        VARCHAR,
    price        DECIMAL(38, :scale),
    minimum      BIGINT,
    from_ns      BIGINT,
    until_ns     BIGINT,
    from_second  INTEGER,
    until_second INTEGER,
    from_total   BIGINT,
    until_total  BIGINT,
    currency     VARCHAR,
    source       VARCHAR,
    assumed      VARCHAR
);

-- Every call with the rate that holds for it; the rate's columns are NULL where there is none.
CREATE OR REPLACE VIEW rated AS
SELECT c.*, r.price, r.minimum, r.currency, r.source, r.assumed
FROM calls AS c
LEFT JOIN rates AS r
    ON r.tariff = c.tariff
    AND r.meter = c.meter
    AND c.at_ns >= r.from_ns AND c.at_ns < r.until_ns
    AND c.total_input >= r.from_total AND c.total_input < r.until_total
    AND (c.at_ns // 1000000000) % 86400 >= r.from_second
    AND (c.at_ns // 1000000000) % 86400 < r.until_second;

CREATE OR REPLACE VIEW lines AS
SELECT
    call_id, meter, currency, billed AS quantity, price AS unit_price,
    CAST(billed AS DECIMAL(19, 0)) * price AS amount,
    source, assumed
FROM (
    SELECT *, CASE WHEN quantity > 0 THEN greatest(quantity, minimum) ELSE quantity END AS billed
    FROM rated
    WHERE price IS NOT NULL
);

-- What could not be priced: quantities without a rate, and fees that nobody counted.
CREATE OR REPLACE VIEW gaps AS
SELECT
    c.call_id, c.meter, c.quantity,
    CASE
        WHEN c.tariff IS NULL THEN coalesce(c.unpriced, ':no_tariff')
        WHEN t.digest IS NULL THEN 'tariff ' || c.tariff || ' is missing from the records'
        ELSE ':no_rate'
    END AS reason
FROM rated AS c
LEFT JOIN tariffs AS t ON t.digest = c.tariff
WHERE c.price IS NULL
UNION ALL
SELECT call_id, 'request', NULL, ':no_fee'
FROM (
    SELECT DISTINCT call_id, 'request' AS meter, 0 AS quantity, at_ns, total_input, tariff
    FROM calls AS c
    WHERE NOT EXISTS (
        SELECT 1 FROM calls AS fee WHERE fee.call_id = c.call_id AND fee.meter = 'request'
    )
) AS c
JOIN rates AS r
    ON r.tariff = c.tariff
    AND r.meter = c.meter
    AND c.at_ns >= r.from_ns AND c.at_ns < r.until_ns
    AND c.total_input >= r.from_total AND c.total_input < r.until_total
    AND (c.at_ns // 1000000000) % 86400 >= r.from_second
    AND (c.at_ns // 1000000000) % 86400 < r.until_second;

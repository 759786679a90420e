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
-- exactly. No amount is divided; what would overflow is an error.

CREATE OR REPLACE TABLE tariffs (digest VARCHAR, currency VARCHAR);

-- One row for each line that a meter has in a cell of its tariff: that of the meter, and those of
-- the adjustments to its price. The cells of a meter do not overlap: which of several rows of a
-- tariff wins has been decided when they were made. All beginnings are inclusive and all ends
-- exclusive; days of the week are 1 for Monday to 7.
--
-- The amount of a line is `billed * whole`, rounded half to even to a multiple of `step` where
-- there is one, less `billed * parts`, which stand on the lines of the adjustments.
CREATE OR REPLACE TABLE rates (
    tariff       VARCHAR,
    meter        VARCHAR,
    line         VARCHAR,
    adjusts      VARCHAR,
    unit_price   DECIMAL(38, :scale),
    whole        DECIMAL(38, :scale),
    parts        DECIMAL(38, :scale),
    step         DECIMAL(38, :scale),
    minimum      BIGINT,
    from_ns      BIGINT,
    until_ns     BIGINT,
    from_second  INTEGER,
    until_second INTEGER,
    from_day     INTEGER,
    until_day    INTEGER,
    from_total   BIGINT,
    until_total  BIGINT,
    currency     VARCHAR,
    source       VARCHAR,
    assumed      VARCHAR,
    net          DECIMAL(38, :scale) GENERATED ALWAYS AS (whole - parts)
);

-- What a tariff with a rate for `meter` expects of every call, counted under `counted` at the least.
CREATE OR REPLACE TABLE expected (meter VARCHAR, counted VARCHAR, reason VARCHAR);

CREATE OR REPLACE MACRO holds(r, at_ns, total_input) AS
    at_ns >= r.from_ns AND at_ns < r.until_ns
    AND total_input >= r.from_total AND total_input < r.until_total
    AND (at_ns // 1000000000) % 86400 >= r.from_second
    AND (at_ns // 1000000000) % 86400 < r.until_second
    AND (at_ns // 86400000000000 + 3) % 7 + 1 >= r.from_day
    AND (at_ns // 86400000000000 + 3) % 7 + 1 < r.until_day;

CREATE OR REPLACE MACRO half_even(amount, step) AS
    CASE
        WHEN (amount % step) + (amount % step) > step
            OR ((amount % step) + (amount % step) = step AND amount % (step + step) > step)
            THEN amount - amount % step + step
        ELSE amount - amount % step
    END;

-- Every call with the lines of the rate that holds for it; NULL where there is none.
CREATE OR REPLACE VIEW rated AS
SELECT
    c.*, r.line, r.adjusts, r.unit_price, r.whole, r.parts, r.net, r.step, r.minimum, r.currency,
    r.source, r.assumed
FROM calls AS c
LEFT JOIN rates AS r
    ON r.tariff = c.tariff AND r.meter = c.meter AND holds(r, c.at_ns, c.total_input);

CREATE OR REPLACE VIEW lines AS
SELECT
    call_id, line AS meter, adjusts AS "of", currency, billed AS quantity, unit_price,
    CASE
        WHEN step IS NULL THEN CAST(billed AS DECIMAL(19, 0)) * net
        ELSE half_even(CAST(billed AS DECIMAL(19, 0)) * whole, step)
            - CAST(billed AS DECIMAL(19, 0)) * parts
    END AS amount,
    source, assumed
FROM (
    SELECT *, CASE WHEN quantity > 0 THEN greatest(quantity, minimum) ELSE quantity END AS billed
    FROM rated
    WHERE line IS NOT NULL
);

-- What could not be priced: quantities without a rate, and what nobody counted.
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
WHERE c.line IS NULL
UNION ALL
SELECT c.call_id, e.meter, NULL, e.reason
FROM (SELECT DISTINCT call_id, at_ns, total_input, tariff FROM calls) AS c
CROSS JOIN (SELECT DISTINCT meter, reason FROM expected) AS e
JOIN rates AS r
    ON r.tariff = c.tariff AND r.meter = e.meter AND r.adjusts IS NULL
    AND holds(r, c.at_ns, c.total_input)
WHERE NOT EXISTS (
    SELECT 1
    FROM calls AS other
    JOIN expected AS known ON known.meter = e.meter AND known.counted = other.meter
    WHERE other.call_id = c.call_id
);

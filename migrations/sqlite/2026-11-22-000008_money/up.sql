-- Exchange rates: 1 base is value quote, a decimal as text. Facts: added and voided, never edited.
CREATE TABLE fx_rates (
    id BLOB NOT NULL PRIMARY KEY,
    recorded_at BIGINT NOT NULL,
    voided_at BIGINT,
    batch_id BLOB NOT NULL,
    day TEXT NOT NULL,
    base TEXT NOT NULL,
    quote TEXT NOT NULL,
    value TEXT NOT NULL,
    source TEXT NOT NULL CHECK (source IN ('manual', 'ecb'))
);
CREATE INDEX fx_rates_day ON fx_rates (quote, day);
CREATE INDEX fx_rates_batch ON fx_rates (batch_id);

-- How channels share a cost that names none; what it was for; and the hours of labour.
ALTER TABLE cost_entries ADD COLUMN allocation TEXT;
ALTER TABLE cost_entries ADD COLUMN note TEXT;
ALTER TABLE cost_entries ADD COLUMN worker TEXT;
ALTER TABLE cost_entries ADD COLUMN work_seconds BIGINT;
ALTER TABLE cost_entries ADD COLUMN hourly_minor BIGINT;

-- Costs that come back every month: one row for each revision. A report computes the months.
CREATE TABLE cost_schedules (
    id BLOB NOT NULL PRIMARY KEY,
    schedule_id BLOB NOT NULL,
    recorded_at BIGINT NOT NULL,
    voided_at BIGINT,
    batch_id BLOB NOT NULL,
    effective_from TEXT NOT NULL,
    name TEXT NOT NULL,
    kind TEXT NOT NULL,
    first_day TEXT NOT NULL,
    last_day TEXT,
    channel_id BIGINT,
    campaign_id BIGINT,
    amount_minor BIGINT NOT NULL,
    currency TEXT NOT NULL,
    allocation TEXT,
    document TEXT
);

-- What an hour of a person or a team costs, from a day on.
CREATE TABLE hourly_rates (
    id BLOB NOT NULL PRIMARY KEY,
    recorded_at BIGINT NOT NULL,
    voided_at BIGINT,
    batch_id BLOB NOT NULL,
    worker TEXT NOT NULL,
    effective_from TEXT NOT NULL,
    hourly_minor BIGINT NOT NULL,
    currency TEXT NOT NULL
);
CREATE INDEX hourly_rates_worker ON hourly_rates (worker);

-- What a batch added is known to the program; the list of kinds grows.
CREATE TABLE batches_without_check (
    id BLOB NOT NULL PRIMARY KEY,
    kind TEXT NOT NULL,
    source TEXT NOT NULL,
    label TEXT NOT NULL,
    rows_stored BIGINT NOT NULL,
    recorded_at BIGINT NOT NULL,
    voided_at BIGINT,
    recorded_by TEXT NOT NULL
);
INSERT INTO batches_without_check
    SELECT id, kind, source, label, rows_stored, recorded_at, voided_at, recorded_by FROM batches;
DROP TABLE batches;
ALTER TABLE batches_without_check RENAME TO batches;
CREATE INDEX batches_recorded ON batches (recorded_at);

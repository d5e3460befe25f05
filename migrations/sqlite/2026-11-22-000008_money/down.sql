CREATE TABLE batches_with_check (
    id BLOB NOT NULL PRIMARY KEY,
    kind TEXT NOT NULL CHECK (kind IN ('touches', 'conversions', 'costs')),
    source TEXT NOT NULL,
    label TEXT NOT NULL,
    rows_stored BIGINT NOT NULL,
    recorded_at BIGINT NOT NULL,
    voided_at BIGINT,
    recorded_by TEXT NOT NULL
);
INSERT INTO batches_with_check
    SELECT id, kind, source, label, rows_stored, recorded_at, voided_at, recorded_by FROM batches
    WHERE kind IN ('touches', 'conversions', 'costs');
DROP TABLE batches;
ALTER TABLE batches_with_check RENAME TO batches;
CREATE INDEX batches_recorded ON batches (recorded_at);
DROP TABLE hourly_rates;
DROP TABLE cost_schedules;
ALTER TABLE cost_entries DROP COLUMN hourly_minor;
ALTER TABLE cost_entries DROP COLUMN work_seconds;
ALTER TABLE cost_entries DROP COLUMN worker;
ALTER TABLE cost_entries DROP COLUMN note;
ALTER TABLE cost_entries DROP COLUMN allocation;
DROP TABLE fx_rates;

-- That a person's data was erased: when, by whom, and how much of what. Nothing here says who it was.
-- asked: the kinds of keys it was asked by. delivery_id: the webhook that asked for it. counts: JSON.
CREATE TABLE erasures (
    id BYTEA NOT NULL PRIMARY KEY,
    recorded_at BIGINT NOT NULL,
    recorded_by TEXT NOT NULL,
    reason TEXT,
    asked TEXT NOT NULL,
    delivery_id BYTEA,
    counts TEXT NOT NULL
);
CREATE INDEX erasures_recorded ON erasures (recorded_at);

-- Keyed hashes of ids that must not come back: of events that are sent again, of touches that a journal or a file
-- brings again. kind: event, touch, import. fact_id: the stage event that was told, for event.
CREATE TABLE erased_keys (
    key_hash BYTEA NOT NULL PRIMARY KEY,
    kind TEXT NOT NULL CHECK (kind IN ('event', 'touch', 'import')),
    erased_at BIGINT NOT NULL,
    fact_id BYTEA
);
CREATE INDEX erased_keys_kind ON erased_keys (kind);

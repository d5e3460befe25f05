-- Why somebody matched what no key joined: the suggestion they took, or `by-hand`.
ALTER TABLE identity_facts ADD COLUMN basis TEXT;
-- Matches, merges and unmerges: facts that came neither with an event nor with a batch.
CREATE INDEX identity_facts_matches ON identity_facts (recorded_at) WHERE stage_event_id IS NULL AND batch_id IS NULL;

-- Attempts that an endpoint refused, by day of UTC (days since 1970) and reason: figures of its health, not facts.
CREATE TABLE endpoint_refusals (
    endpoint_id BIGINT NOT NULL,
    day BIGINT NOT NULL,
    code TEXT NOT NULL,
    refused BIGINT NOT NULL,
    last_at BIGINT NOT NULL,
    PRIMARY KEY (endpoint_id, day, code)
);

-- Times are UTC milliseconds, money is minor units, event keys are 16-byte UUIDv7.
-- Facts carry recorded_at (ledger time) and voided_at; nothing else of a fact is ever updated.

CREATE TABLE meta (
    name TEXT NOT NULL PRIMARY KEY,
    value TEXT NOT NULL
);

-- One row orders all facts.
CREATE TABLE ledger_clock (
    id BIGINT NOT NULL PRIMARY KEY CHECK (id = 1),
    last_at BIGINT NOT NULL
);
INSERT INTO ledger_clock (id, last_at) VALUES (1, 0);

CREATE TABLE users (
    id INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
    email TEXT NOT NULL UNIQUE,
    password_hash TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    disabled_at BIGINT
);

CREATE TABLE sessions (
    token_hash BLOB NOT NULL PRIMARY KEY,
    user_id BIGINT NOT NULL REFERENCES users (id),
    csrf TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    expires_at BIGINT NOT NULL
);

CREATE TABLE api_keys (
    id INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
    name TEXT NOT NULL,
    hint TEXT NOT NULL,
    key_hash BLOB NOT NULL UNIQUE,
    scopes TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    revoked_at BIGINT
);

CREATE TABLE channels (
    id INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
    code TEXT NOT NULL UNIQUE,
    utm_source TEXT NOT NULL,
    utm_medium TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    UNIQUE (utm_source, utm_medium)
);

CREATE TABLE campaigns (
    id INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
    code TEXT NOT NULL UNIQUE,
    utm_id TEXT,
    created_at BIGINT NOT NULL
);

CREATE TABLE posts (
    id INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
    code TEXT NOT NULL UNIQUE,
    created_at BIGINT NOT NULL
);

-- Labels of channels, campaigns and posts: JSON, as each kind has its own fields and queries never look inside.
CREATE TABLE label_revisions (
    id INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
    subject_kind TEXT NOT NULL CHECK (subject_kind IN ('channel', 'campaign', 'post')),
    subject_id BIGINT NOT NULL,
    recorded_at BIGINT NOT NULL,
    effective_from BIGINT NOT NULL,
    labels TEXT NOT NULL,
    recorded_by TEXT NOT NULL
);
CREATE INDEX label_revisions_subject ON label_revisions (subject_kind, subject_id);

CREATE TABLE links (
    id INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
    slug TEXT NOT NULL UNIQUE,
    created_at BIGINT NOT NULL
);

CREATE TABLE link_revisions (
    id INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
    link_id BIGINT NOT NULL REFERENCES links (id),
    recorded_at BIGINT NOT NULL,
    effective_from BIGINT NOT NULL,
    destination TEXT NOT NULL,
    title TEXT NOT NULL,
    channel_id BIGINT NOT NULL REFERENCES channels (id),
    campaign_id BIGINT REFERENCES campaigns (id),
    post_id BIGINT REFERENCES posts (id),
    tags TEXT NOT NULL,
    passes_query BOOLEAN NOT NULL,
    archived BOOLEAN NOT NULL,
    expires_at BIGINT,
    recorded_by TEXT NOT NULL
);
CREATE INDEX link_revisions_link ON link_revisions (link_id);

-- The unit of undo: one import or one API call that added facts.
CREATE TABLE batches (
    id BLOB NOT NULL PRIMARY KEY,
    kind TEXT NOT NULL CHECK (kind IN ('touches', 'conversions', 'costs')),
    source TEXT NOT NULL,
    label TEXT NOT NULL,
    rows_stored BIGINT NOT NULL,
    recorded_at BIGINT NOT NULL,
    voided_at BIGINT,
    recorded_by TEXT NOT NULL
);
CREATE INDEX batches_recorded ON batches (recorded_at);

-- User agents and referrers, once each.
CREATE TABLE dictionary (
    id INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
    entry TEXT NOT NULL UNIQUE
);

CREATE TABLE touches (
    id BLOB NOT NULL PRIMARY KEY,
    recorded_at BIGINT NOT NULL,
    voided_at BIGINT,
    occurred_at BIGINT NOT NULL,
    kind TEXT NOT NULL,
    class TEXT NOT NULL,
    class_rule TEXT NOT NULL,
    link_id BIGINT,
    channel_id BIGINT,
    campaign_id BIGINT,
    visitor_id BLOB,
    private BOOLEAN NOT NULL,
    source TEXT,
    external_id TEXT,
    batch_id BLOB,
    user_agent_id BIGINT,
    referrer_id BIGINT,
    page_id BIGINT,
    network_ids TEXT
);
-- An imported touch is known by its source's own id.
CREATE UNIQUE INDEX touches_external ON touches (source, external_id) WHERE external_id IS NOT NULL AND voided_at IS NULL;
CREATE INDEX touches_occurred ON touches (occurred_at);
CREATE INDEX touches_visitor ON touches (visitor_id, occurred_at);

CREATE TABLE endpoints (
    id INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
    name TEXT NOT NULL UNIQUE,
    token TEXT NOT NULL UNIQUE,
    verification TEXT NOT NULL CHECK (verification IN ('standard-webhooks', 'bearer')),
    secret BLOB NOT NULL,
    mapping TEXT NOT NULL,
    currency TEXT,
    counts_revenue BOOLEAN NOT NULL,
    created_at BIGINT NOT NULL,
    archived_at BIGINT
);

-- Every inbound request, stored encrypted before it is understood. endpoint_id is NULL for the API.
CREATE TABLE deliveries (
    id BLOB NOT NULL PRIMARY KEY,
    endpoint_id BIGINT REFERENCES endpoints (id),
    received_at BIGINT NOT NULL,
    message_id TEXT,
    body BLOB NOT NULL,
    source TEXT NOT NULL
);
CREATE INDEX deliveries_received ON deliveries (received_at);

-- What became of each item of a delivery. A replay rewrites the verdict.
CREATE TABLE delivery_items (
    delivery_id BLOB NOT NULL REFERENCES deliveries (id),
    item BIGINT NOT NULL,
    verdict TEXT NOT NULL CHECK (verdict IN ('pending', 'stored', 'duplicate', 'quarantined', 'ignored')),
    event_id TEXT,
    stage_event_id BLOB,
    code TEXT,
    detail TEXT,
    PRIMARY KEY (delivery_id, item)
);
CREATE INDEX delivery_items_verdict ON delivery_items (verdict);

CREATE TABLE stage_events (
    id BLOB NOT NULL PRIMARY KEY,
    recorded_at BIGINT NOT NULL,
    voided_at BIGINT,
    source TEXT NOT NULL,
    event_id TEXT NOT NULL,
    stage TEXT NOT NULL,
    occurred_at BIGINT NOT NULL,
    person_id BLOB,
    subject TEXT,
    parent TEXT,
    value_minor BIGINT,
    currency TEXT,
    counts_revenue BOOLEAN NOT NULL,
    content_hash BLOB NOT NULL,
    batch_id BLOB
);
-- The duplicate key: one live event per source and event id.
CREATE UNIQUE INDEX stage_events_event ON stage_events (source, event_id) WHERE voided_at IS NULL;
CREATE INDEX stage_events_occurred ON stage_events (occurred_at);

CREATE TABLE identity_facts (
    id BLOB NOT NULL PRIMARY KEY,
    recorded_at BIGINT NOT NULL,
    voided_at BIGINT,
    kind TEXT NOT NULL CHECK (kind IN ('join', 'merge', 'unmerge')),
    person_id BLOB NOT NULL,
    other_id BLOB,
    key_kind TEXT,
    key_value TEXT,
    stage_event_id BLOB,
    batch_id BLOB,
    recorded_by TEXT NOT NULL
);
CREATE INDEX identity_facts_key ON identity_facts (key_value, key_kind);
CREATE INDEX identity_facts_person ON identity_facts (person_id);
CREATE INDEX identity_facts_event ON identity_facts (stage_event_id);

CREATE TABLE cost_entries (
    id BLOB NOT NULL PRIMARY KEY,
    recorded_at BIGINT NOT NULL,
    voided_at BIGINT,
    batch_id BLOB NOT NULL,
    day_from TEXT NOT NULL,
    day_to TEXT NOT NULL,
    channel_id BIGINT,
    campaign_id BIGINT,
    post_id BIGINT,
    link_id BIGINT,
    kind TEXT NOT NULL,
    amount_minor BIGINT NOT NULL,
    currency TEXT NOT NULL,
    source TEXT NOT NULL,
    document TEXT
);
CREATE INDEX cost_entries_days ON cost_entries (day_from, day_to);
CREATE INDEX cost_entries_source ON cost_entries (source, kind);

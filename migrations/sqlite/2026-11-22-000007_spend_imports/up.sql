-- Accounts of ad platforms and social networks, as files name them. Days are calendar days of the account's zone.
CREATE TABLE platform_accounts (
    id INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
    platform TEXT NOT NULL,
    name TEXT NOT NULL,
    source TEXT NOT NULL UNIQUE,
    currency TEXT,
    zone TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    UNIQUE (platform, name)
);

-- What a platform calls a campaign. The id is text: it has up to 18 digits.
CREATE TABLE platform_campaigns (
    id INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
    account_id BIGINT NOT NULL REFERENCES platform_accounts (id),
    external_id TEXT,
    name TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    UNIQUE (account_id, external_id)
);
CREATE INDEX platform_campaigns_name ON platform_campaigns (account_id, name);
CREATE INDEX platform_campaigns_external ON platform_campaigns (external_id);

-- Ads and ad sets, by which a network's own lead forms name what they belong to.
CREATE TABLE platform_ads (
    id INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
    platform_campaign_id BIGINT NOT NULL REFERENCES platform_campaigns (id),
    external_id TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    UNIQUE (platform_campaign_id, external_id)
);
CREATE INDEX platform_ads_external ON platform_ads (external_id);

-- Which channel and campaign of ours an account or a campaign of a platform is. Facts: added, never changed.
CREATE TABLE platform_revisions (
    id INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
    subject_kind TEXT NOT NULL CHECK (subject_kind IN ('account', 'campaign')),
    subject_id BIGINT NOT NULL,
    recorded_at BIGINT NOT NULL,
    effective_from BIGINT NOT NULL,
    channel_id BIGINT REFERENCES channels (id),
    campaign_id BIGINT REFERENCES campaigns (id),
    recorded_by TEXT NOT NULL
);
CREATE INDEX platform_revisions_subject ON platform_revisions (subject_kind, subject_id);

-- Spend that a platform told names its campaign there; channel and campaign of ours follow from the revisions.
ALTER TABLE cost_entries ADD COLUMN platform_campaign_id BIGINT;

-- Posts as networks list them; ours are joined by id or permalink when a report is made.
CREATE TABLE social_posts (
    id INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
    account_id BIGINT NOT NULL REFERENCES platform_accounts (id),
    post_key TEXT NOT NULL,
    external_id TEXT,
    permalink TEXT,
    published_on TEXT,
    title TEXT NOT NULL,
    format TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    UNIQUE (account_id, post_key)
);

-- Lifetime counts of a post as they stood on a day.
CREATE TABLE post_metrics (
    id BLOB NOT NULL PRIMARY KEY,
    recorded_at BIGINT NOT NULL,
    voided_at BIGINT,
    batch_id BLOB NOT NULL,
    social_post_id BIGINT NOT NULL,
    snapshot_on TEXT NOT NULL,
    metric TEXT NOT NULL,
    value BIGINT NOT NULL
);
CREATE INDEX post_metrics_post ON post_metrics (social_post_id, snapshot_on);
CREATE INDEX post_metrics_batch ON post_metrics (batch_id);

-- Counts of an account, or of one of its campaigns, on a day.
CREATE TABLE account_metrics (
    id BLOB NOT NULL PRIMARY KEY,
    recorded_at BIGINT NOT NULL,
    voided_at BIGINT,
    batch_id BLOB NOT NULL,
    account_id BIGINT NOT NULL,
    platform_campaign_id BIGINT,
    day TEXT NOT NULL,
    metric TEXT NOT NULL,
    value BIGINT NOT NULL
);
CREATE INDEX account_metrics_day ON account_metrics (account_id, day);
CREATE INDEX account_metrics_batch ON account_metrics (batch_id);

-- Presets that users made: the same TOML as the built-in ones.
CREATE TABLE import_presets (
    id INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
    name TEXT NOT NULL UNIQUE,
    body TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    recorded_by TEXT NOT NULL
);

-- Files between upload and import, encrypted, until they expire.
CREATE TABLE import_uploads (
    token_hash BLOB NOT NULL PRIMARY KEY,
    name TEXT NOT NULL,
    body BLOB NOT NULL,
    bytes BIGINT NOT NULL,
    created_at BIGINT NOT NULL,
    expires_at BIGINT NOT NULL,
    created_by TEXT NOT NULL
);

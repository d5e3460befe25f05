-- Touches get narrower and know more; rollups count them, so that a report need not.

-- Words that touches repeat: user agents, referrers, pages, and from now on rules and devices.
INSERT INTO dictionary (entry) VALUES ('imported'), ('unknown') ON CONFLICT DO NOTHING;
INSERT INTO dictionary (entry) SELECT DISTINCT class_rule FROM touches WHERE true ON CONFLICT DO NOTHING;

-- kind: 0 click, 1 landing, 2 view, 3 form. class: 0 human, 1 bot, 2 preview, 3 prefetch, 4 scanner, 5 repeat.
-- The key begins with the millisecond of occurred_at, so it serves ranges of time as well.
-- country: ISO 3166. source_hash: of the address, under a key that is destroyed daily.
-- signals: bits of the request: 1 HEAD, 2 prefetch, 4 Accept-Language, 8 navigation; NULL where not known.
CREATE TABLE touches_new (
    id BYTEA NOT NULL PRIMARY KEY,
    recorded_at BIGINT NOT NULL,
    occurred_at BIGINT NOT NULL,
    link_id BIGINT,
    channel_id BIGINT,
    campaign_id BIGINT,
    source_hash BIGINT,
    voided_at BIGINT,
    class_rule_id INTEGER NOT NULL,
    user_agent_id INTEGER,
    referrer_id INTEGER,
    page_id INTEGER,
    device_id INTEGER NOT NULL,
    range_labels_id INTEGER,
    kind SMALLINT NOT NULL,
    class SMALLINT NOT NULL,
    signals SMALLINT,
    private BOOLEAN NOT NULL,
    visitor_id BYTEA,
    country TEXT,
    source TEXT,
    external_id TEXT,
    batch_id BYTEA,
    network_ids TEXT
);
INSERT INTO touches_new
SELECT t.id, t.recorded_at, t.occurred_at, t.link_id, t.channel_id, t.campaign_id, NULL, t.voided_at,
    r.id, t.user_agent_id, t.referrer_id, t.page_id, u.id, NULL,
    CASE t.kind WHEN 'click' THEN 0 WHEN 'landing' THEN 1 WHEN 'view' THEN 2 ELSE 3 END,
    CASE t.class WHEN 'human' THEN 0 WHEN 'bot' THEN 1 WHEN 'preview' THEN 2 WHEN 'prefetch' THEN 3
        WHEN 'scanner' THEN 4 ELSE 5 END,
    NULL, t.private, t.visitor_id, NULL, t.source, t.external_id, t.batch_id, t.network_ids
FROM touches t JOIN dictionary r ON r.entry = t.class_rule JOIN dictionary u ON u.entry = 'unknown'
ORDER BY t.id;
DROP TABLE touches;
ALTER TABLE touches_new RENAME TO touches;
ALTER INDEX touches_new_pkey RENAME TO touches_pkey;
-- An imported touch is known by its source's own id.
CREATE UNIQUE INDEX touches_external ON touches (source, external_id) WHERE external_id IS NOT NULL AND voided_at IS NULL;
-- A journey reads a browser's touches, all of them.
CREATE INDEX touches_visitor ON touches (visitor_id) WHERE visitor_id IS NOT NULL;
-- An undo reads a batch's touches, in pages by id.
CREATE INDEX touches_batch ON touches (batch_id, id) WHERE batch_id IS NOT NULL;

-- Later classes of touches: the last one recorded by an as_of holds, else the one it was stored with.
CREATE TABLE touch_classes (
    touch_id BYTEA NOT NULL,
    recorded_at BIGINT NOT NULL,
    class SMALLINT NOT NULL,
    class_rule_id INTEGER NOT NULL,
    run_id BYTEA NOT NULL,
    PRIMARY KEY (touch_id, recorded_at)
);

-- Where the rollups stand: one row. zone is NULL until a server has said in which zone days are cut, and by which version
-- of the zone data.
-- The open epoch: touches recorded after closed_at, how many, and their smallest and greatest id.
CREATE TABLE rollup_state (
    id BIGINT NOT NULL PRIMARY KEY CHECK (id = 1),
    zone TEXT,
    zone_data TEXT,
    is_built BOOLEAN NOT NULL,
    opened_at BIGINT NOT NULL,
    closed_at BIGINT NOT NULL,
    open_rows BIGINT NOT NULL,
    open_from BYTEA,
    open_to BYTEA
);
INSERT INTO rollup_state (id, zone, is_built, opened_at, closed_at, open_rows) VALUES (1, NULL, false, 0, 0, 0);

-- An epoch: facts recorded after the one before it and up to closed_at, as they are counted in the two ledgers.
-- made_at: ledger time of the transaction that made the cells. latest_at: the latest occurred_at counted in them
-- or in those of an epoch before.
CREATE TABLE rollup_epochs (
    id INTEGER NOT NULL PRIMARY KEY,
    closed_at BIGINT NOT NULL UNIQUE,
    made_at BIGINT NOT NULL,
    latest_at BIGINT NOT NULL,
    touches BIGINT NOT NULL,
    from_id BYTEA,
    to_id BYTEA
);
-- A report asks what was made before a revision.
CREATE INDEX rollup_epochs_made ON rollup_epochs (made_at, id);

-- Touches by local day. day: days since 1970-01-01. stretch: from when the link's label held that the touch fell under.
-- 0 stands for no link, channel or campaign. count may be negative: a void or a new class takes back.
-- No unique key: a cell is written once and only ever summed, and the key would be as large as the cell.
CREATE TABLE rollup_days (
    link_id BIGINT NOT NULL,
    stretch BIGINT NOT NULL,
    day INTEGER NOT NULL,
    channel_id INTEGER NOT NULL,
    campaign_id INTEGER NOT NULL,
    epoch INTEGER NOT NULL,
    count INTEGER NOT NULL,
    kind SMALLINT NOT NULL,
    class SMALLINT NOT NULL
);
CREATE INDEX rollup_days_day ON rollup_days (day);

-- Touches by quarter of an hour. quarter: quarters of an hour since 1970 in UTC. channel_id: a link's as it was labelled
-- when the cell was made. country: '' for none. device_id: of the dictionary.
CREATE TABLE rollup_quarters (
    quarter INTEGER NOT NULL,
    channel_id INTEGER NOT NULL,
    device_id INTEGER NOT NULL,
    epoch INTEGER NOT NULL,
    count INTEGER NOT NULL,
    kind SMALLINT NOT NULL,
    class SMALLINT NOT NULL,
    country TEXT NOT NULL
);
CREATE INDEX rollup_quarters_quarter ON rollup_quarters (quarter);

-- Touches as people read them, for SQL of their own: names instead of codes and numbers, and the class that holds.
CREATE VIEW readable_touches AS
SELECT t.id, t.recorded_at, t.voided_at, t.occurred_at,
    CASE t.kind WHEN 0 THEN 'click' WHEN 1 THEN 'landing' WHEN 2 THEN 'view' WHEN 3 THEN 'form' END AS kind,
    CASE COALESCE(later.class, t.class) WHEN 0 THEN 'human' WHEN 1 THEN 'bot' WHEN 2 THEN 'preview'
        WHEN 3 THEN 'prefetch' WHEN 4 THEN 'scanner' WHEN 5 THEN 'repeat' END AS class,
    rule.entry AS class_rule, t.link_id, links.slug AS link, channels.code AS channel, campaigns.code AS campaign,
    t.visitor_id, t.private, t.country, device.entry AS device, ranges.entry AS range_labels, t.source, t.external_id,
    t.batch_id, agent.entry AS user_agent, referrer.entry AS referrer, page.entry AS page, t.network_ids
FROM touches t
LEFT JOIN touch_classes later ON later.touch_id = t.id AND later.recorded_at =
    (SELECT MAX(x.recorded_at) FROM touch_classes x WHERE x.touch_id = t.id)
LEFT JOIN dictionary rule ON rule.id = COALESCE(later.class_rule_id, t.class_rule_id)
LEFT JOIN dictionary device ON device.id = t.device_id
LEFT JOIN dictionary ranges ON ranges.id = t.range_labels_id
LEFT JOIN dictionary agent ON agent.id = t.user_agent_id
LEFT JOIN dictionary referrer ON referrer.id = t.referrer_id
LEFT JOIN dictionary page ON page.id = t.page_id
LEFT JOIN links ON links.id = t.link_id
LEFT JOIN channels ON channels.id = t.channel_id
LEFT JOIN campaigns ON campaigns.id = t.campaign_id;

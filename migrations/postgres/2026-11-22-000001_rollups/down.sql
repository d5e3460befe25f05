DROP VIEW readable_touches;
DROP TABLE rollup_quarters;
DROP TABLE rollup_days;
DROP TABLE rollup_epochs;
DROP TABLE rollup_state;
DROP TABLE touch_classes;
CREATE TABLE touches_old (
    id BYTEA NOT NULL PRIMARY KEY,
    recorded_at BIGINT NOT NULL,
    voided_at BIGINT,
    occurred_at BIGINT NOT NULL,
    kind TEXT NOT NULL,
    class TEXT NOT NULL,
    class_rule TEXT NOT NULL,
    link_id BIGINT,
    channel_id BIGINT,
    campaign_id BIGINT,
    visitor_id BYTEA,
    private BOOLEAN NOT NULL,
    source TEXT,
    external_id TEXT,
    batch_id BYTEA,
    user_agent_id BIGINT,
    referrer_id BIGINT,
    page_id BIGINT,
    network_ids TEXT
);
INSERT INTO touches_old
SELECT t.id, t.recorded_at, t.voided_at, t.occurred_at,
    CASE t.kind WHEN 0 THEN 'click' WHEN 1 THEN 'landing' WHEN 2 THEN 'view' ELSE 'form' END,
    CASE t.class WHEN 0 THEN 'human' WHEN 1 THEN 'bot' WHEN 2 THEN 'preview' WHEN 3 THEN 'prefetch'
        WHEN 4 THEN 'scanner' ELSE 'repeat' END,
    r.entry, t.link_id, t.channel_id, t.campaign_id, t.visitor_id, t.private, t.source, t.external_id, t.batch_id,
    t.user_agent_id, t.referrer_id, t.page_id, t.network_ids
FROM touches t JOIN dictionary r ON r.id = t.class_rule_id;
DROP TABLE touches;
ALTER TABLE touches_old RENAME TO touches;
ALTER INDEX touches_old_pkey RENAME TO touches_pkey;
CREATE UNIQUE INDEX touches_external ON touches (source, external_id) WHERE external_id IS NOT NULL AND voided_at IS NULL;
CREATE INDEX touches_occurred ON touches (occurred_at);
CREATE INDEX touches_visitor ON touches (visitor_id, occurred_at);

-- Leads given inside a network's own form: touches without a browser of ours, made and voided with their stage event.
-- They are few, so they stand beside the touches that the journal brings, and are counted one by one.
CREATE TABLE form_touches (
    id BLOB NOT NULL PRIMARY KEY,
    recorded_at BIGINT NOT NULL,
    occurred_at BIGINT NOT NULL,
    voided_at BIGINT,
    stage_event_id BLOB NOT NULL,
    class SMALLINT NOT NULL,
    class_rule_id INTEGER NOT NULL,
    device_id INTEGER NOT NULL,
    network TEXT NOT NULL,
    ad_id TEXT,
    adset_id TEXT,
    campaign_id TEXT,
    form_id TEXT
) WITHOUT ROWID;
CREATE INDEX form_touches_event ON form_touches (stage_event_id);

-- Which campaign of a platform such a touch is of. Facts: a later word is added when a file names the campaign of its ad.
CREATE TABLE form_touch_campaigns (
    touch_id BLOB NOT NULL,
    recorded_at BIGINT NOT NULL,
    platform_campaign_id BIGINT NOT NULL REFERENCES platform_campaigns (id),
    PRIMARY KEY (touch_id, recorded_at)
) WITHOUT ROWID;
CREATE INDEX form_touch_campaigns_campaign ON form_touch_campaigns (platform_campaign_id);

-- A campaign that a lead named before any file belongs to no account that is known. When a file names it, it moves there,
-- and reports of before go on to see it where it was.
ALTER TABLE platform_campaigns ADD COLUMN moved_from BIGINT;
ALTER TABLE platform_campaigns ADD COLUMN moved_at BIGINT;

-- For people: what readable_touches is for the others.
CREATE VIEW readable_form_touches AS
SELECT t.id, t.recorded_at, t.voided_at, t.occurred_at, 'form' AS kind, 'human' AS class, rule.entry AS class_rule,
    t.stage_event_id, t.network, t.ad_id, t.adset_id, t.campaign_id, t.form_id, a.platform, a.name AS platform_account,
    c.external_id AS platform_campaign_id, c.name AS platform_campaign
FROM form_touches t
JOIN form_touch_campaigns l ON l.touch_id = t.id AND l.recorded_at =
    (SELECT MAX(x.recorded_at) FROM form_touch_campaigns x WHERE x.touch_id = t.id)
JOIN platform_campaigns c ON c.id = l.platform_campaign_id
JOIN platform_accounts a ON a.id = c.account_id
LEFT JOIN dictionary rule ON rule.id = t.class_rule_id;

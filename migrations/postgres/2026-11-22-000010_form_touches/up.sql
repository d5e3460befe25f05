-- Leads given inside a network's own form: touches without a browser of ours, made and voided with their stage event.
-- They are few, so they stand beside the touches that the journal brings, and are counted one by one.
CREATE TABLE form_touches (
    id BYTEA NOT NULL PRIMARY KEY,
    recorded_at BIGINT NOT NULL,
    occurred_at BIGINT NOT NULL,
    voided_at BIGINT,
    stage_event_id BYTEA NOT NULL,
    class SMALLINT NOT NULL,
    class_rule_id INTEGER NOT NULL,
    device_id INTEGER NOT NULL,
    network TEXT NOT NULL,
    ad_id TEXT,
    adset_id TEXT,
    campaign_id TEXT,
    form_id TEXT
);
CREATE INDEX form_touches_event ON form_touches (stage_event_id);

-- Which campaign of a platform such a touch is of. Facts: a later word is added when a file names the campaign of its ad.
CREATE TABLE form_touch_campaigns (
    touch_id BYTEA NOT NULL,
    recorded_at BIGINT NOT NULL,
    platform_campaign_id BIGINT NOT NULL REFERENCES platform_campaigns (id),
    PRIMARY KEY (touch_id, recorded_at)
);
CREATE INDEX form_touch_campaigns_campaign ON form_touch_campaigns (platform_campaign_id);

-- A campaign that a lead named before any file belongs to no account that is known. When a file names it, it moves there,
-- and reports of before go on to see it where it was.
ALTER TABLE platform_campaigns ADD COLUMN moved_from BIGINT;
ALTER TABLE platform_campaigns ADD COLUMN moved_at BIGINT;

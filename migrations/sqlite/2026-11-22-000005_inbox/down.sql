-- What waits for a look-up can only be set aside.
CREATE TABLE delivery_items_old (
    delivery_id BLOB NOT NULL REFERENCES deliveries (id),
    item BIGINT NOT NULL,
    verdict TEXT NOT NULL CHECK (verdict IN ('pending', 'stored', 'duplicate', 'quarantined', 'ignored')),
    event_id TEXT,
    stage_event_id BLOB,
    code TEXT,
    detail TEXT,
    PRIMARY KEY (delivery_id, item)
);
INSERT INTO delivery_items_old SELECT delivery_id, item,
    CASE verdict WHEN 'needs-enrichment' THEN 'quarantined' ELSE verdict END,
    event_id, stage_event_id, code, detail FROM delivery_items;
DROP TABLE delivery_items;
ALTER TABLE delivery_items_old RENAME TO delivery_items;
CREATE INDEX delivery_items_verdict ON delivery_items (verdict);
DROP INDEX deliveries_endpoint;
DROP INDEX deliveries_message;
DROP INDEX deliveries_kept;
CREATE INDEX deliveries_received ON deliveries (received_at);
ALTER TABLE deliveries DROP COLUMN removed_at;
ALTER TABLE deliveries DROP COLUMN head;
ALTER TABLE deliveries DROP COLUMN bytes;
ALTER TABLE deliveries DROP COLUMN content_type;
ALTER TABLE deliveries DROP COLUMN method;

-- What stood before the body of a delivery, its size, and when body and head were removed.
-- A body is sealed: 24 bytes of nonce and 16 of proof stand around it. One that was removed is empty.
ALTER TABLE deliveries ADD COLUMN method TEXT NOT NULL DEFAULT 'POST';
ALTER TABLE deliveries ADD COLUMN content_type TEXT;
ALTER TABLE deliveries ADD COLUMN bytes BIGINT NOT NULL DEFAULT 0;
ALTER TABLE deliveries ADD COLUMN head BLOB;
ALTER TABLE deliveries ADD COLUMN removed_at BIGINT;
UPDATE deliveries SET bytes = max(length(body) - 40, 0);
-- What is due for removal; the list itself goes by id, which begins with the time.
DROP INDEX deliveries_received;
CREATE INDEX deliveries_kept ON deliveries (received_at) WHERE removed_at IS NULL;
CREATE INDEX deliveries_message ON deliveries (message_id) WHERE message_id IS NOT NULL;
CREATE INDEX deliveries_endpoint ON deliveries (endpoint_id, id);

-- A check cannot be changed in place.
CREATE TABLE delivery_items_new (
    delivery_id BLOB NOT NULL REFERENCES deliveries (id),
    item BIGINT NOT NULL,
    verdict TEXT NOT NULL CHECK (verdict IN ('pending', 'stored', 'duplicate', 'quarantined', 'ignored', 'needs-enrichment')),
    event_id TEXT,
    stage_event_id BLOB,
    code TEXT,
    detail TEXT,
    PRIMARY KEY (delivery_id, item)
);
INSERT INTO delivery_items_new SELECT delivery_id, item, verdict, event_id, stage_event_id, code, detail FROM delivery_items;
DROP TABLE delivery_items;
ALTER TABLE delivery_items_new RENAME TO delivery_items;
-- Pending items are read in the order of receipt, and lists of one verdict are cut into pages.
CREATE INDEX delivery_items_verdict ON delivery_items (verdict, delivery_id, item);
CREATE INDEX delivery_items_event ON delivery_items (event_id) WHERE event_id IS NOT NULL;
CREATE INDEX delivery_items_stage_event ON delivery_items (stage_event_id) WHERE stage_event_id IS NOT NULL;

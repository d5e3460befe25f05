-- What waits for a look-up can only be set aside.
DROP INDEX delivery_items_stage_event;
DROP INDEX delivery_items_event;
DROP INDEX delivery_items_verdict;
UPDATE delivery_items SET verdict = 'quarantined' WHERE verdict = 'needs-enrichment';
ALTER TABLE delivery_items DROP CONSTRAINT delivery_items_verdict_check;
ALTER TABLE delivery_items ADD CONSTRAINT delivery_items_verdict_check
    CHECK (verdict IN ('pending', 'stored', 'duplicate', 'quarantined', 'ignored'));
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

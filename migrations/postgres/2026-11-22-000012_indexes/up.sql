-- Items by the code of their reason, newest first, as the inbox lists them.
CREATE INDEX delivery_items_code ON delivery_items (code, delivery_id, item) WHERE code IS NOT NULL;
-- Records that wait, by endpoint: those of an endpoint without a token may wait for ever, and many.
CREATE INDEX lookups_endpoint ON lookups (endpoint_id, due_at) WHERE answered_at IS NULL;

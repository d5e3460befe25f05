-- Records that thin deliveries name, to be read from the vendor, and what it answered; the answer is encrypted and goes
-- with the delivery's body. One that the vendor does not have is answered without an answer.
CREATE TABLE lookups (
    delivery_id BLOB NOT NULL REFERENCES deliveries (id),
    item BIGINT NOT NULL,
    record TEXT NOT NULL,
    path TEXT NOT NULL,
    endpoint_id BIGINT NOT NULL REFERENCES endpoints (id),
    attempts BIGINT NOT NULL,
    due_at BIGINT NOT NULL,
    answered_at BIGINT,
    answer BLOB,
    fault TEXT,
    PRIMARY KEY (delivery_id, item, record, path)
);
CREATE INDEX lookups_due ON lookups (due_at) WHERE answered_at IS NULL;

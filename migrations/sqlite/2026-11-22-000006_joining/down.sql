DROP TABLE endpoint_refusals;
DROP INDEX identity_facts_matches;
ALTER TABLE identity_facts DROP COLUMN basis;

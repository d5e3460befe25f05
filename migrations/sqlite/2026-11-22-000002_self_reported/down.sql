ALTER TABLE stage_events DROP COLUMN self_reported;

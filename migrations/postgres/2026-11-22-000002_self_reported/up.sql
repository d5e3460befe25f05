-- The answer to "how did you hear about us", kept beside what was tracked.
ALTER TABLE stage_events ADD COLUMN self_reported TEXT;

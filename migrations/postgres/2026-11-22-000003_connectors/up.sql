-- An endpoint takes deliveries by a connector preset; the two ways of proof there were are presets of the same names.
ALTER TABLE endpoints ADD COLUMN preset TEXT NOT NULL DEFAULT '';
UPDATE endpoints SET preset = verification;
ALTER TABLE endpoints DROP COLUMN verification;
-- A preset of the user's own, as TOML.
ALTER TABLE endpoints ADD COLUMN own_preset TEXT;
-- The URL that the sender signs, where it is not the public one.
ALTER TABLE endpoints ADD COLUMN signed_url TEXT;
-- The vendor's API, from which thin deliveries are completed; the token is encrypted.
ALTER TABLE endpoints ADD COLUMN api_base_url TEXT;
ALTER TABLE endpoints ADD COLUMN api_token BYTEA;

ALTER TABLE endpoints DROP COLUMN api_token;
ALTER TABLE endpoints DROP COLUMN api_base_url;
ALTER TABLE endpoints DROP COLUMN signed_url;
ALTER TABLE endpoints DROP COLUMN own_preset;
-- Endpoints of other presets are left with a proof that their senders do not give: they accept nothing.
ALTER TABLE endpoints ADD COLUMN verification TEXT NOT NULL DEFAULT 'standard-webhooks' CHECK (verification IN ('standard-webhooks', 'bearer'));
UPDATE endpoints SET verification = preset WHERE preset IN ('standard-webhooks', 'bearer');
ALTER TABLE endpoints DROP COLUMN preset;

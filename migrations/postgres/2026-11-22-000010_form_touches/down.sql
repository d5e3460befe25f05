DROP VIEW readable_form_touches;
ALTER TABLE platform_campaigns DROP COLUMN moved_at;
ALTER TABLE platform_campaigns DROP COLUMN moved_from;
DROP TABLE form_touch_campaigns;
DROP TABLE form_touches;

DROP INDEX lookups_endpoint;
DROP INDEX delivery_items_code;

DROP TABLE erased_keys;
DROP TABLE erasures;

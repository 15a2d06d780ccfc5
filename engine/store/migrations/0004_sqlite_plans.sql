-- SQLite only: the fixed statistics of 0002_sqlite_plans.sql for the indexes that are new.
INSERT INTO sqlite_stat1 (tbl, idx, stat) VALUES
    ('audit', 'audit_job', '100000 100000 1'),
    ('notices', 'notices_name', '10000 10000 1'),
    ('notices', 'notices_due', '100 1 1');
ANALYZE sqlite_schema;

-- SQLite only: the fixed statistics of 0002_sqlite_plans.sql for the indexes that are new.
DELETE FROM sqlite_stat1 WHERE idx = 'edges_waiting';
INSERT INTO sqlite_stat1 (tbl, idx, stat) VALUES
    ('edges', 'edges_up', '20000 20000 10000 20 1 1 1'),
    ('edges', 'edges_leaving', '20000 20000 10000 20 1'),
    ('edges', 'edges_failed', '20000 20000 10000 20 1'),
    ('log', 'log_code', '1000000 1000000 10000 1'),
    ('plans', 'plans', '100000 100000 10000 5000 1');
ANALYZE sqlite_schema;

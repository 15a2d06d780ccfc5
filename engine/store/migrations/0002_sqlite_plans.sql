-- SQLite only. Without statistics its planner takes a job for as good a key as an object and reads whole
-- tables. These are the statistics of a large directory; each line says how many rows there are and
-- how many share the first column of the index, the first two, and so on
-- (sqlite.org/optoverview.html, "Manual control of query plans using SQLITE_STAT tables").
-- They are fixed on purpose: plans do not change as a store grows.
ANALYZE;
DELETE FROM sqlite_stat1;
INSERT INTO sqlite_stat1 (tbl, idx, stat) VALUES
    ('objects', 'sqlite_autoindex_objects_1', '1000000 1000000 500000 1'),
    ('edges', 'edges', '4000000 4000000 3000000 100 1 1'),
    ('edges', 'edges_to', '4000000 5 5 5'),
    ('edges', 'edges_waiting', '20000 20000 10000 20 1'),
    ('assignments', 'assignments', '100000 100000 1'),
    ('assignments', 'assignments_principal', '100000 1 1 1'),
    ('changes', 'changes', '100000 100000 50000 1'),
    ('changes', 'changes_ready', '10000 10000 5000 1'),
    ('links', 'sqlite_autoindex_links_1', '1000000 1000000 500000 1'),
    ('links', 'links_target', '1000000 1 1 1'),
    ('cycles', 'cycles', '10000 10000 1'),
    ('cycles', 'cycles_serial', '10000 10000 1'),
    ('cycles', 'cycles_open', '1 1'),
    ('cycle_counts', 'cycle_counts', '200000 200000 20 1'),
    ('log', 'log_cycle', '10000000 10000000 1000 1'),
    ('log', 'log_at', '10000000 10000000 1');
ANALYZE sqlite_schema;

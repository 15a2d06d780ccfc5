-- PostgreSQL only. Statements are planned before there is anything to plan them for, and without
-- statistics a job looks as good a key as an object: whole tables would be read for each page of an
-- import until the first autovacuum. So the planner is shown what the tables will be like: one job, two
-- kinds, many ids. The statistics stay when the rows are gone, until there are real ones.
INSERT INTO objects (job, kind, id, state, changed_at)
    SELECT 'sample', CASE WHEN g % 10 = 0 THEN 'group' ELSE 'user' END, md5(g::text), 'active', g FROM generate_series(1, 3000) g;
INSERT INTO edges (job, rel, from_id, to_kind, to_id, want, have, waiting, generation)
    SELECT 'sample', CASE WHEN g % 10 = 0 THEN 'manager' ELSE 'member' END, md5((g % 300)::text), CASE WHEN g % 20 = 1 THEN 'group' ELSE 'user' END,
        md5(g::text), 1, g % 2, CASE WHEN g % 100 = 0 THEN 1 ELSE 0 END, 1 FROM generate_series(1, 3000) g;
INSERT INTO assignments (job, id, principal_kind, principal_id, role_id, role_value, role_name, effective, generation)
    SELECT 'sample', md5(g::text), CASE WHEN g % 10 = 0 THEN 'group' ELSE 'user' END, md5(g::text), '', '', '', 1, 1 FROM generate_series(1, 3000) g;
INSERT INTO changes (job, kind, id, seq, rev, state, class)
    SELECT 'sample', CASE WHEN g % 10 = 0 THEN 'group' ELSE 'user' END, md5(g::text), g, g,
        CASE WHEN g % 2 = 0 THEN 'ready' WHEN g % 10 = 1 THEN 'escrow' ELSE 'queued' END, g % 6 FROM generate_series(1, 3000) g;
INSERT INTO links (job, kind, id, target_id, state, matched_by, name, disabled, recycled, verify, created_at, updated_at, last_cycle, last_bucket)
    SELECT 'sample', CASE WHEN g % 10 = 0 THEN 'group' ELSE 'user' END, md5(g::text), md5(g::text),
        CASE WHEN g % 20 = 0 THEN 'released' ELSE 'managed' END, '', '', 0, 0, 0, g, g, '', '' FROM generate_series(1, 3000) g;
ANALYZE objects, edges, assignments, changes, links;
DELETE FROM objects;
DELETE FROM edges;
DELETE FROM assignments;
DELETE FROM changes;
DELETE FROM links;

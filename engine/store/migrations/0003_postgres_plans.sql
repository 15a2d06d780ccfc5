-- PostgreSQL only. To create an index counts the rows of its table: of an empty one the planner knows nothing
-- any more of what 0002_postgres_plans.sql showed it. So it is shown again, with edges that are held, failed or leave.
-- No job can have this name.
INSERT INTO edges (job, rel, from_id, to_kind, to_id, want, have, waiting, generation, hold, due, failure)
    SELECT '(sample)', CASE WHEN g % 10 = 0 THEN 'manager' ELSE 'member' END, md5((g % 300)::text), CASE WHEN g % 20 = 1 THEN 'group' ELSE 'user' END,
        md5(g::text), CASE WHEN g % 50 = 0 THEN 0 ELSE 1 END, g % 2, CASE WHEN g % 100 = 0 THEN 1 ELSE 0 END, 1,
        CASE WHEN g % 200 = 0 THEN 1 ELSE 0 END, CASE WHEN g % 300 = 0 THEN g ELSE 0 END, CASE WHEN g % 300 = 0 THEN '{}' END
        FROM generate_series(1, 3000) g;
INSERT INTO plans (job, plan, kind, id, digest)
    SELECT '(sample)', md5((g / 1000)::text), CASE WHEN g % 10 = 0 THEN 'group' ELSE 'user' END, md5(g::text), md5(g::text) FROM generate_series(1, 3000) g;
ANALYZE edges, plans;
DELETE FROM edges WHERE job = '(sample)';
DELETE FROM plans WHERE job = '(sample)';

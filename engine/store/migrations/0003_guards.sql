-- Guards, reservations, failures of single edges, accounts that are deleted later, saved plans, and columns to
-- search the log by.

-- hold is what a guard said about a change, a document; null for most. owner has reserved a change until
-- owner_until; there is no index on it, because every batch of a cycle reserves its changes. state may also be later
-- (looked at again when due) and expired (failed too long).
ALTER TABLE changes ADD COLUMN hold $text;
ALTER TABLE changes ADD COLUMN owner $text NOT NULL DEFAULT '';
ALTER TABLE changes ADD COLUMN owner_until bigint NOT NULL DEFAULT 0;

-- hold: 0 none, 1 held, 2 approved, 3 rejected; only removals (want 0) are held. failure is what an export said
-- last, a document, null if it did not fail and empty if people chose to ignore it. An edge is up for export when it waits,
-- is neither held nor rejected, and due.
ALTER TABLE edges ADD COLUMN hold integer NOT NULL DEFAULT 0;
ALTER TABLE edges ADD COLUMN due bigint NOT NULL DEFAULT 0;
ALTER TABLE edges ADD COLUMN failure $text;
DROP INDEX edges_waiting;
CREATE INDEX edges_up ON edges (job, rel, from_id, to_id, hold, due) WHERE waiting = 1;
CREATE INDEX edges_leaving ON edges (job, rel, from_id, to_id) WHERE want = 0;
CREATE INDEX edges_failed ON edges (job, rel, from_id, to_id) WHERE failure IS NOT NULL;

-- recreated is a list of times, null for none.
ALTER TABLE links ADD COLUMN delete_at bigint NOT NULL DEFAULT 0;
ALTER TABLE links ADD COLUMN left_reason $text NOT NULL DEFAULT '';
ALTER TABLE links ADD COLUMN recreated $text;

-- Both were part of the document.
ALTER TABLE log ADD COLUMN kind $text NOT NULL DEFAULT '';
ALTER TABLE log ADD COLUMN code $text NOT NULL DEFAULT '';
UPDATE log SET kind = coalesce($kind, ''), code = coalesce($code, '');
CREATE INDEX log_code ON log (job, code, id) WHERE code <> '';

CREATE TABLE plans (
    job    $text NOT NULL,
    plan   $text NOT NULL,
    kind   $text NOT NULL,
    id     $text NOT NULL,
    digest $text NOT NULL,
    PRIMARY KEY (job, plan, kind, id)
) $clustered;

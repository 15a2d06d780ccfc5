-- What people asked for and were told: the control of jobs, the audit and the outbox of notices.

-- doc is the control, a document. Of the rows of the log up to (emptied_at, emptied_id) the values are removed.
CREATE TABLE job_control (
    job        $text NOT NULL PRIMARY KEY,
    doc        $text NOT NULL DEFAULT '{}',
    emptied_at bigint NOT NULL DEFAULT 0,
    emptied_id bigint NOT NULL DEFAULT 0
) $clustered;

-- job is empty for what concerns no single job.
CREATE TABLE audit (
    id           $serial,
    job          $text NOT NULL,
    at           bigint NOT NULL,
    actor        $text NOT NULL,
    origin       $text NOT NULL,
    activity     $text NOT NULL,
    before_value $text NOT NULL,
    after_value  $text NOT NULL,
    comment      $text NOT NULL,
    failed       integer NOT NULL
);
CREATE INDEX audit_job ON audit (job, at);

-- facts is a document, delivered a list.
CREATE TABLE notices (
    id        $serial,
    job       $text NOT NULL,
    name      $text NOT NULL, -- what makes it unique within the job
    kind      $text NOT NULL,
    at        bigint NOT NULL,
    subject   $text NOT NULL,
    body      $text NOT NULL,
    facts     $text, -- null for none
    attempts  integer NOT NULL DEFAULT 0,
    due       bigint NOT NULL DEFAULT 0,
    done      integer NOT NULL DEFAULT 0,
    delivered $text NOT NULL DEFAULT '[]'
);
CREATE UNIQUE INDEX notices_name ON notices (job, name);
CREATE INDEX notices_due ON notices (at, id) WHERE done = 0;

-- suspect: the open round is not to be believed.
ALTER TABLE feeds ADD COLUMN suspect integer NOT NULL DEFAULT 0;

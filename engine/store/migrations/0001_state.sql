-- Times are microseconds since 1970 UTC, 0 for none. Flags are 0 or 1. Documents are JSON.
-- $text, $serial and $clustered differ between the databases; see migrate.go.
--
-- Primary keys begin with the job, because lists are read in their order. Other indexes begin with the
-- id that is looked for: a planner without statistics cannot mistake them for a way to find a job's rows.

CREATE TABLE feeds (
    job          $text NOT NULL,
    feed         $text NOT NULL,
    watermark    $text NOT NULL DEFAULT '',
    watermark_at bigint NOT NULL DEFAULT 0,
    cursor       $text NOT NULL DEFAULT '',
    is_open      integer NOT NULL DEFAULT 0,
    full_read    integer NOT NULL DEFAULT 0,
    generation   bigint NOT NULL DEFAULT 0,
    pages        bigint NOT NULL DEFAULT 0,
    selection    $text NOT NULL DEFAULT '',
    PRIMARY KEY (job, feed)
) $clustered;

CREATE TABLE objects (
    job        $text NOT NULL,
    kind       $text NOT NULL,
    id         $text NOT NULL,
    state      $text NOT NULL,
    attrs      $text, -- null: only the state is known
    conveys    integer NOT NULL DEFAULT 0,
    generation bigint NOT NULL DEFAULT 0,
    changed_at bigint NOT NULL,
    PRIMARY KEY (job, kind, id)
);

-- want: the source has the edge. have: it was exported. waiting: a cycle has to look at it.
-- A row with neither want nor have does not exist. The relation tells the kind of from_id.
CREATE TABLE edges (
    job        $text NOT NULL,
    rel        $text NOT NULL,
    from_id    $text NOT NULL,
    to_kind    $text NOT NULL,
    to_id      $text NOT NULL,
    want       integer NOT NULL,
    have       integer NOT NULL,
    waiting    integer NOT NULL,
    generation bigint NOT NULL,
    PRIMARY KEY (job, rel, from_id, to_id, to_kind)
) $clustered;
CREATE INDEX edges_to ON edges (to_id, to_kind, job);
CREATE INDEX edges_waiting ON edges (job, rel, from_id, to_id) WHERE waiting = 1;

CREATE TABLE assignments (
    job            $text NOT NULL,
    id             $text NOT NULL,
    principal_kind $text NOT NULL,
    principal_id   $text NOT NULL,
    role_id        $text NOT NULL,
    role_value     $text NOT NULL,
    role_name      $text NOT NULL,
    effective      integer NOT NULL,
    generation     bigint NOT NULL,
    PRIMARY KEY (job, id)
) $clustered;
CREATE INDEX assignments_principal ON assignments (principal_id, principal_kind, job);

-- The queue. settled is the newest revision whose outcome was recorded while the change stayed.
-- attempts, code and detail are null for a change that never failed.
CREATE TABLE changes (
    job           $text NOT NULL,
    kind          $text NOT NULL,
    id            $text NOT NULL,
    seq           bigint, -- null until the ready changes are numbered
    rev           bigint NOT NULL,
    settled       bigint NOT NULL DEFAULT 0,
    state         $text NOT NULL DEFAULT 'queued',
    class         integer NOT NULL DEFAULT 0,
    verify_first  integer NOT NULL DEFAULT 0,
    attempts      integer,
    first_failure bigint NOT NULL DEFAULT 0,
    last_failure  bigint NOT NULL DEFAULT 0,
    due           bigint NOT NULL DEFAULT 0,
    code          $text,
    status        integer NOT NULL DEFAULT 0,
    detail        $text,
    PRIMARY KEY (job, kind, id)
) $clustered;
CREATE INDEX changes_ready ON changes (job, kind, seq) WHERE state = 'ready' AND seq IS NOT NULL;

CREATE TABLE links (
    job         $text NOT NULL,
    kind        $text NOT NULL,
    id          $text NOT NULL,
    target_id   $text NOT NULL,
    state       $text NOT NULL,
    matched_by  $text NOT NULL,
    name        $text NOT NULL,
    disabled    integer NOT NULL,
    recycled    integer NOT NULL,
    verify      integer NOT NULL,
    exported    $text, -- null: nothing is known of the values at the target
    created_at  bigint NOT NULL,
    updated_at  bigint NOT NULL,
    last_cycle  $text NOT NULL,
    last_bucket $text NOT NULL,
    PRIMARY KEY (job, kind, id)
);
CREATE UNIQUE INDEX links_target ON links (target_id, kind, job);

CREATE TABLE cycles (
    job        $text NOT NULL,
    id         $text NOT NULL,
    serial     bigint NOT NULL, -- order of opening
    kind       $text NOT NULL,
    state      $text NOT NULL,
    phase      $text NOT NULL,
    started_at bigint NOT NULL,
    ended_at   bigint NOT NULL DEFAULT 0,
    survey     $text NOT NULL DEFAULT 'null', -- document: kind to survey
    error      $text NOT NULL DEFAULT '',
    error_code $text NOT NULL DEFAULT '',
    PRIMARY KEY (job, id)
) $clustered;
CREATE UNIQUE INDEX cycles_open ON cycles (job) WHERE state = 'running';
CREATE INDEX cycles_serial ON cycles (job, serial);

CREATE TABLE cycle_counts (
    job     $text NOT NULL,
    cycle   $text NOT NULL,
    counter $text NOT NULL,
    n       bigint NOT NULL,
    PRIMARY KEY (job, cycle, counter),
    FOREIGN KEY (job, cycle) REFERENCES cycles (job, id) ON DELETE CASCADE
) $clustered;

CREATE TABLE job_state (
    job          $text NOT NULL PRIMARY KEY,
    fingerprint  $text NOT NULL,
    initial_done integer NOT NULL,
    described    $text NOT NULL
) $clustered;

-- names holds both names in lower case, to be searched; entry is the rest of the row.
CREATE TABLE log (
    id        $serial,
    job       $text NOT NULL,
    cycle     $text NOT NULL,
    at        bigint NOT NULL,
    action    $text NOT NULL,
    status    $text NOT NULL,
    source_id $text NOT NULL,
    target_id $text NOT NULL,
    names     $text NOT NULL,
    entry     $text NOT NULL
);
CREATE INDEX log_cycle ON log (job, cycle, id);
CREATE INDEX log_at ON log (job, at);

-- The saved plan that a cycle applies, '' for none.
ALTER TABLE cycles ADD COLUMN plan $text NOT NULL DEFAULT '';

-- What somebody asked for by name, and the answer to it (null until there is one). Workflows carry the id alone.
CREATE TABLE requests (
    job     $text NOT NULL,
    id      $text NOT NULL,
    at      bigint NOT NULL,
    request $text NOT NULL,
    answer  $text,
    PRIMARY KEY (job, id)
) $clustered;

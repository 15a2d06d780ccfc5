package store

import (
	"context"
	"fmt"
	"strings"

	"github.com/scimsync/scimsync/engine"
)

// copied are the tables with what a job knows. What it did, its log and its cycles, is not among them.
var copied = []string{"feeds", "objects", "edges", "assignments", "changes", "links", "job_state", "job_control"}

// copyRows is the number of rows of one transaction of a copy.
const copyRows = 1000

// CopyJob copies what a job knows into another store, which must know nothing of the job: a plan
// works on such a copy, so that nothing of it is remembered. The job is copied as it is at one
// moment; the other store may be on another database.
func (s *Store) CopyJob(ctx context.Context, j engine.JobID, to *Store) error {
	return s.read(ctx, j, "copy the job", func(ctx context.Context, from tx) error {
		for _, table := range copied {
			if err := copyTable(ctx, from, to, j, table); err != nil {
				return fmt.Errorf("table %s: %w", table, err)
			}
		}
		// Who works on a change here does not work on its copy.
		return to.write(ctx, j, "give up reservations", func(ctx context.Context, t tx) error {
			_, err := t.exec(ctx, "UPDATE changes SET owner = '', owner_until = 0 WHERE job = ? AND owner <> ''", t.job)
			return err
		})
	})
}

func copyTable(ctx context.Context, from tx, to *Store, j engine.JobID, table string) error {
	rows, err := from.run.QueryContext(ctx, from.d.bind("SELECT * FROM "+table+" WHERE job = ?"), from.job)
	if err != nil {
		return err
	}
	defer rows.Close()
	columns, err := rows.Columns()
	if err != nil {
		return err
	}
	insert := to.d.bind("INSERT INTO " + table + " (" + strings.Join(columns, ", ") + ") VALUES (?" + strings.Repeat(", ?", len(columns)-1) + ")")
	var pending [][]any
	flush := func() error {
		defer func() { pending = pending[:0] }()
		return to.write(ctx, j, "copy "+table, func(ctx context.Context, t tx) error {
			for _, row := range pending {
				if _, err := t.run.ExecContext(ctx, insert, row...); err != nil {
					return err
				}
			}
			return nil
		})
	}
	for rows.Next() {
		row, into := make([]any, len(columns)), make([]any, len(columns))
		for i := range row {
			into[i] = &row[i]
		}
		if err := rows.Scan(into...); err != nil {
			return err
		}
		if pending = append(pending, row); len(pending) == copyRows {
			if err := flush(); err != nil {
				return err
			}
		}
	}
	if err := rows.Err(); err != nil {
		return err
	}
	return flush()
}

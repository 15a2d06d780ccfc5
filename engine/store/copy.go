package store

import (
	"context"
	"fmt"
	"strings"

	"github.com/scimsync/scimsync/engine"
)

// copied are the tables with what a job knows. What it did, its log and its cycles, is not among them.
var copied = []string{"feeds", "objects", "edges", "assignments", "changes", "links", "job_state"}

// copyRows is the number of rows that go into one statement of a copy.
const copyRows = 50

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
		return nil
	})
}

func copyTable(ctx context.Context, from tx, to *Store, j engine.JobID, table string) error {
	rows, err := from.run.QueryContext(ctx, from.d.rebind("SELECT * FROM "+table+" WHERE job = ?"), from.job)
	if err != nil {
		return err
	}
	defer rows.Close()
	columns, err := rows.Columns()
	if err != nil {
		return err
	}
	b := &bulk{
		head:  "INSERT INTO " + table + " (" + strings.Join(columns, ", ") + ") VALUES ",
		row:   "(?" + strings.Repeat(", ?", len(columns)-1) + ")",
		width: len(columns),
	}
	var args []any
	flush := func() error {
		err := to.write(ctx, j, "copy "+table, func(ctx context.Context, t tx) error { return t.write(ctx, b, args) })
		args = args[:0]
		return err
	}
	for rows.Next() {
		row := make([]any, len(columns))
		for i := range row {
			row[i] = new(any)
		}
		if err := rows.Scan(row...); err != nil {
			return err
		}
		for _, v := range row {
			args = append(args, *v.(*any))
		}
		if len(args) >= copyRows*20*len(columns) {
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

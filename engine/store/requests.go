package store

import (
	"context"
	"database/sql"
	"fmt"
	"time"

	"github.com/scimsync/scimsync/engine"
)

// requestsKept is how long a request and its answer can be fetched.
const requestsKept = 24 * time.Hour

// PutRequest implements [engine.Inquiries]. What is older than a day is forgotten on the way.
func (s *Store) PutRequest(ctx context.Context, j engine.JobID, id string, request []byte) error {
	return s.write(ctx, j, "store request", func(ctx context.Context, t tx) error {
		if _, err := t.exec(ctx, "DELETE FROM requests WHERE job = ? AND at < ?", t.job, t.now-requestsKept.Microseconds()); err != nil {
			return err
		}
		_, err := t.exec(ctx, `INSERT INTO requests (job, id, at, request) VALUES (?, ?, ?, ?)
			ON CONFLICT (job, id) DO UPDATE SET at = excluded.at, request = excluded.request, answer = NULL`, t.job, id, t.now, string(request))
		return err
	})
}

// Request implements [engine.Inquiries].
func (s *Store) Request(ctx context.Context, j engine.JobID, id string) (request, answer []byte, err error) {
	err = s.read(ctx, j, "read request", func(ctx context.Context, t tx) error {
		var asked string
		var answered sql.NullString
		found, err := t.one(ctx, []any{&asked, &answered}, "SELECT request, answer FROM requests WHERE job = ? AND id = ?", t.job, id)
		if err == nil && !found {
			return fmt.Errorf("request %q: %w", id, engine.ErrNotFound)
		}
		request = []byte(asked)
		if answered.Valid {
			answer = []byte(answered.String)
		}
		return err
	})
	return request, answer, err
}

// PutAnswer implements [engine.Inquiries].
func (s *Store) PutAnswer(ctx context.Context, j engine.JobID, id string, answer []byte) error {
	return s.write(ctx, j, "store answer", func(ctx context.Context, t tx) error {
		n, err := t.exec(ctx, "UPDATE requests SET answer = ? WHERE job = ? AND id = ?", string(answer), t.job, id)
		if err == nil && n == 0 {
			return fmt.Errorf("request %q: %w", id, engine.ErrNotFound)
		}
		return err
	})
}

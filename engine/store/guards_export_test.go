package store

import (
	"context"
	"database/sql"
)

// MigrateTo brings a database to an older version.
func MigrateTo(ctx context.Context, db *sql.DB, postgres bool, version int64) error {
	p, err := provider(db, &dialect{numbered: postgres})
	if err != nil {
		return err
	}
	_, err = p.UpTo(ctx, version)
	return err
}

package store

import (
	"context"
	"database/sql"
	_ "embed"
	"fmt"
	"strings"

	"github.com/pressly/goose/v3"
	"github.com/pressly/goose/v3/lock"
)

var (
	//go:embed migrations/0001_state.sql
	stateSQL string
	//go:embed migrations/0002_sqlite_plans.sql
	sqlitePlansSQL string
	//go:embed migrations/0002_postgres_plans.sql
	postgresPlansSQL string
	//go:embed migrations/0003_guards.sql
	guardsSQL string
	//go:embed migrations/0003_sqlite_plans.sql
	sqliteGuardPlansSQL string
	//go:embed migrations/0003_postgres_plans.sql
	postgresGuardPlansSQL string
	//go:embed migrations/0004_control.sql
	controlSQL string
	//go:embed migrations/0004_sqlite_plans.sql
	sqliteControlPlansSQL string
	//go:embed migrations/0005_requests.sql
	requestsSQL string
	//go:embed migrations/0006_sent.sql
	sentSQL string
)

// migrations are all steps from an empty database to the present one. A released step never changes.
func migrations(d *dialect, words *strings.Replacer) []*goose.Migration {
	step := func(version int64, text string) *goose.Migration {
		return goose.NewGoMigration(version, &goose.GoFunc{RunTx: func(ctx context.Context, tx *sql.Tx) error {
			_, err := tx.ExecContext(ctx, words.Replace(text))
			return err
		}}, nil)
	}
	plans, guardPlans, controlPlans := sqlitePlansSQL, sqliteGuardPlansSQL, sqliteControlPlansSQL
	if d.numbered {
		// What 0004 makes is small: real statistics come in time.
		plans, guardPlans, controlPlans = postgresPlansSQL, postgresGuardPlansSQL, ""
	}
	return []*goose.Migration{
		step(1, stateSQL),
		step(2, plans),
		step(3, guardsSQL+guardPlans),
		step(4, controlSQL+controlPlans),
		step(5, requestsSQL),
		step(6, sentSQL),
	}
}

// The words that migrations spell differently. Text on PostgreSQL compares bytes, as SQLite does:
// with a language's collation lists would be in another order than the engine expects. On SQLite
// tables of short rows are kept in their primary key. $kind and $code are read from the document of a
// log row, in which they follow a few texts at most. PostgreSQL does not take all of these documents for JSON: they may
// have the character U+0000 in texts.
var (
	sqliteWords = []string{"$text", "text", "$serial", "integer PRIMARY KEY AUTOINCREMENT", "$clustered", "WITHOUT ROWID",
		"$kind", "entry ->> 'kind'", "$code", "entry ->> 'code'"}
	postgresWords = []string{"$text", `text COLLATE "C"`, "$serial", "bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY", "$clustered", "",
		"$kind", `substring(entry FROM '^\{(?:"(?:rule|reason|source|target)":"(?:[^"\\]|\\.)*",)*"kind":"([^"]*)"')`,
		"$code", `substring(entry FROM '^\{(?:"(?:rule|reason|source|target|kind)":"(?:[^"\\]|\\.)*",)*"code":"([^"]*)"')`}
)

// provider knows the migrations of a database.
func provider(db *sql.DB, d *dialect) (*goose.Provider, error) {
	options := []goose.ProviderOption{goose.WithDisableGlobalRegistry(true)}
	kind, words := goose.DialectSQLite3, sqliteWords
	if d.numbered {
		locker, err := lock.NewPostgresSessionLocker()
		if err != nil {
			return nil, err
		}
		kind, words = goose.DialectPostgres, postgresWords
		options = append(options, goose.WithSessionLocker(locker))
	}
	options = append(options, goose.WithGoMigrations(migrations(d, strings.NewReplacer(words...))...))
	return goose.NewProvider(kind, db, nil, options...)
}

// migrate brings the database up to date. Several processes may do so at once.
func migrate(ctx context.Context, db *sql.DB, d *dialect) error {
	p, err := provider(db, d)
	if err != nil {
		return err
	}
	have, want, err := p.GetVersions(ctx)
	if err != nil {
		return err
	}
	if have > want {
		return fmt.Errorf("the database is of version %d and this program knows versions up to %d; run a newer scimsync", have, want)
	}
	if have == want {
		return nil
	}
	_, err = p.Up(ctx)
	return err
}

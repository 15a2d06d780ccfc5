// Package store is the [engine.Store] on SQLite and on PostgreSQL.
//
// Both databases run the same queries: they are written with "?" and rebound to "$1" for PostgreSQL,
// times are microseconds since 1970 (UTC), flags are 0 and 1, documents are JSON text with sorted keys,
// and text compares byte by byte on both, so that lists have the same order.
//
// There is one writer per job at a time. On SQLite that is the single connection of the write pool;
// on PostgreSQL every write transaction first takes an advisory lock of its job. Transactions are
// short, so this costs little, and it rules out deadlocks, lost wake-ups and log rows that become
// visible out of order.
//
// Repetition: every method may be called again after an answer was lost. What came of a change is
// recorded once per revision of that change, so a repeated [Store.Settle] neither counts nor logs twice.
//
// The database holds names and attribute values: SQLite files are created readable by their owner
// alone. The package logs nothing, and its errors name jobs, kinds and files, never objects.
package store

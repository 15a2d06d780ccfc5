// Package temporald runs a Temporal server inside our own process.
//
// It lets the product start on a fresh machine with one binary: schedules, timers and the position
// of running workflows are kept in one SQLite file in the data directory. Where an address of a
// Temporal cluster is configured, nothing of this package runs.
//
// # Promises
//
//   - [Start] returns when the frontend answers and the namespace can be used, or with an error;
//     [Server.Stop] returns when every service has stopped. Neither ends the process: what the
//     server itself treats as fatal becomes an error of Start or a value on [Server.Failed].
//   - Every listener is bound to 127.0.0.1, on ports that are free at that moment. There is no HTTP,
//     metrics or profiling listener and no trace exporter, whatever LOCALHOST_IP or OTEL_* say in
//     the environment. Nothing contacts another machine.
//   - One process per data directory. An exclusive lock on temporal.lock is taken before the file
//     is opened and is given back by the kernel when the process ends, however it ends. Temporal
//     itself would let two servers work on one SQLite file and destroy it.
//   - The file survives kill -9 and power cuts: write-ahead log, synchronous=full. One connection
//     and one history shard, since SQLite has one writer.
//   - temporal.version names the server version that wrote the file. Temporal has no schema
//     upgrades for SQLite, so a file of another version, or one without a stamp, is moved aside
//     under a dated name and a new one is made. Callers reconcile their schedules into the server
//     after Start, which is why the file is disposable: only what was running is forgotten.
//   - The server's own log arrives at level warn and above; what it says while stopping, where
//     broken connections are the normal course of things, arrives at debug.
//
// # What Temporal does not support
//
// Temporal supports SQLite for development and tests only: a single node, no replication, no
// schema upgrades and some hundred activities per second. That is enough for one machine that
// runs cycles of coarse activities. For several workers, or where losing running workflows at an
// upgrade hurts, set temporal.address to a cluster or to Temporal Cloud.
//
// The listeners speak plaintext without authentication: every local account of the machine can
// reach them, as it can reach a server started by hand. What is kept there is ids and counts only,
// and a payload codec can be switched on above it.
//
// # Without the server
//
// The build tag noembed leaves the server out, for a slim binary that works with an external server
// only. [Embedded] is false then and [Start] returns [ErrNotEmbedded].
//
// The server links net/http/pprof, which registers handlers on [net/http.DefaultServeMux]: a program
// that embeds it must not serve that mux.
package temporald

// Package wire is the HTTP layer that connectors share: one [Conn] per connection.
//
// A Conn sends requests and does for every one of them what must not be forgotten anywhere: it
// holds all callers of the connection while the other side asks for patience ([Conn.Pause]), limits
// how many requests are in flight (fixed, or growing while latency is good and halved when the
// other side is overloaded), reads bodies whole within a limit that counts after decompression,
// counts what was sent, follows no redirect, keeps no cookie, and writes one debug line with the
// template of the path and never with a query, link, body or token.
//
// It repeats nothing by itself. Whether a request may be sent again is known only to the connector,
// which asks [Conn.Backoff] how long to wait and says [Call.Attempt] when it sends again. Waiting goes
// through [Conn.Sleep] and [Conn.Pause], so that it is counted, observable and under a [Clock].
//
// The package knows no protocol above HTTP and JSON.
package wire

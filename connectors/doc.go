// Package connectors holds one folder for each kind of directory and application. It has no code.
//
// # Writing a connector
//
// A connector implements [github.com/scimsync/scimsync/engine.Source] (it reads a directory) or
// [github.com/scimsync/scimsync/engine.Target] (it writes to an application). Their comments are the
// contract. Everything that decides about people is done elsewhere: a connector turns calls into
// requests, and answers into the closed set of outcomes and codes of package engine.
//
//  1. Make a folder named after what is connected, with a doc.go that says which public documents
//     the code follows.
//  2. config.go: type Config is the source or target block of the configuration, with camelCase
//     yaml tags and [github.com/scimsync/scimsync/engine.Secret] for secrets. What comes from the job's
//     mapping is a field with yaml:"-".
//  3. func New(cfg Config, hc *http.Client, lg *zap.Logger) checks cfg completely, reports every
//     problem at once with key, reason and remedy, and sends nothing.
//  4. Speak HTTP through [github.com/scimsync/scimsync/connectors/internal/wire]: it counts requests,
//     limits concurrency, holds everybody while the other side asks for patience, limits bodies, and
//     logs without values. Judge every answer in one place, and repeat only what cannot do harm.
//  5. Import engine and connectors/internal and nothing else of ours: no store, no configuration, no
//     Temporal, no other connector.
//  6. Write the sandbox it is tested against in a folder below, named after it with "test" at the
//     end. It imports nothing of ours, so that a mistake cannot hide on both sides.
//  7. Run the suite of package enginetest against the sandbox, then the faults: throttling, resets,
//     cut bodies, expired credentials, answers that lie.
//  8. Name the type in the one map of cmd/scimsync/wire.go.
//
// Package notify stands beside them: it reaches people instead of a directory, by mail and webhooks.
package connectors

package engine

import (
	"context"
	"iter"
)

// A Source reads one directory. It never writes to it. It may be used concurrently.
type Source interface {
	Meter

	// Pages yields the pages of one round of a feed, from a cursor on; the zero Cursor starts a
	// full read. The caller stores each page together with its Next before it takes another, so
	// that a round resumes where it stopped. An error is yielded once, last; the page beside it is
	// empty. [ErrCursorExpired] asks for another start. Waiting for a source that asks for patience
	// happens inside, as long as ctx allows.
	//
	// Objects of one id may occur several times in a round and in any order. Removals of objects
	// come as objects in another LifeState, removals of edges as edges with Removed set.
	// A feed that has no deltas yields all it has in every round; [Source.Snapshot] tells.
	Pages(ctx context.Context, f Feed, from Cursor) iter.Seq2[Page, error]

	// Snapshot reports that every round of the feed is a full read, so that what it no longer
	// contains is gone.
	Snapshot(f Feed) bool

	// Lookup reads objects by id as they are now: live, in the recycle bin (with the attributes it
	// has there), or gone (HardDeleted). It answers for every id asked, in any order, and yields no
	// edges. It is asked when a feed alone cannot tell.
	Lookup(ctx context.Context, k Kind, ids []string) ([]Object, error)

	// Selection is the fingerprint of what the source asks for in a feed. A change of it makes
	// every watermark of that feed useless (GS-CF-1).
	Selection(f Feed) string

	// Check tests the connection and every permission needed, writing nothing. It reports all it
	// finds; the error is for a check that could not be made.
	Check(ctx context.Context) ([]Finding, error)
}

// Finding is one line of a connection test.
type Finding struct {
	Name   string `json:"name"` // what was tested
	Level  Level  `json:"level"`
	Detail string `json:"detail,omitempty"` // what was found, why it matters and what to do
	Code   Code   `json:"code,omitempty"`   // of a failure, for programs; "" if there is none
}

// Level grades a finding.
type Level string

const (
	LevelOK    Level = "ok"
	LevelInfo  Level = "info"
	LevelWarn  Level = "warning"
	LevelError Level = "error"
)

// Failed reports whether any finding is an error.
func Failed(fs []Finding) bool {
	for _, f := range fs {
		if f.Level == LevelError {
			return true
		}
	}
	return false
}

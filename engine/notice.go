package engine

import (
	"context"
	"time"
)

// NoticeKind is what a notice is about (provisioning.md section 24).
type NoticeKind string

const (
	NoticeQuarantined NoticeKind = "quarantine" // a job went into quarantine, or stays for another reason
	NoticeRecovered   NoticeKind = "recovered"  // it left quarantine
	NoticeDeletions   NoticeKind = "deletions"  // disables and deletes are held
	NoticeRemovals    NoticeKind = "removals"   // membership removals are held
	NoticeDisabling   NoticeKind = "disabling"  // 7, 3 or 1 days until a job in quarantine is disabled
	NoticeDisabled    NoticeKind = "disabled"   // it was disabled after 28 days
	NoticeFailing     NoticeKind = "failing"    // cycles break off one after the other, of causes that may pass
	NoticeExpired     NoticeKind = "expired"    // objects failed for 28 days and are not retried any more
	NoticeCredential  NoticeKind = "credential" // a credential ends in 30, 14, 7 or 1 days
	NoticeFailures    NoticeKind = "failures"   // digest of one cycle
)

// Notice is something that people are to be told once. It is stored before it is sent, so that neither a
// crash nor a mail server that is down loses it.
type Notice struct {
	ID   int64
	Job  JobID
	Kind NoticeKind
	// Key makes it unique within its job: what has the same key is the same thing and is told once.
	Key string
	At  time.Time
	// Subject and Text are for people. They hold counts, codes and what to do, no personal data.
	Subject string
	Text    string
	// Facts are for programs.
	Facts map[string]any
	// Attempts and Due are those of the next delivery; Done is set when nothing is left to be sent.
	Attempts int
	Due      time.Time
	Done     bool
	// Delivered names the channels that have it, or that will never take it, so that a failing channel does
	// not repeat it on the others.
	Delivered []string
}

// Notices is the outbox of notifications.
type Notices interface {
	// PutNotice stores a notice unless there is one with its job and key; fresh tells.
	PutNotice(ctx context.Context, n Notice) (fresh bool, err error)
	// DueNotices lists notices that are not done and due, oldest first.
	DueNotices(ctx context.Context, now time.Time, limit int) ([]Notice, error)
	// ClaimNotice reserves a notice that [Notices.DueNotices] has listed for whoever delivers it: it adds one to
	// Attempts and puts Due off to until. It reports false and changes nothing if the notice is done or Attempts
	// is no longer that of n, because somebody else was first; so each delivery is begun by one process only.
	ClaimNotice(ctx context.Context, n Notice, until time.Time) (bool, error)
	// UpdateNotice stores Attempts, Due, Done and Delivered of a notice.
	UpdateNotice(ctx context.Context, n Notice) error
}

package store

import (
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"math"
	"strings"
	"time"

	"github.com/scimsync/scimsync/engine"
)

var insertLog = &bulk{
	head: "INSERT INTO log (job, cycle, at, action, status, kind, code, source_id, target_id, names, entry) VALUES ",
	row:  "(?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)", width: 11,
}

// entryDoc is the part of a log row that nobody searches by.
type entryDoc struct {
	Rule       engine.Rule           `json:"rule,omitempty"`
	Reason     engine.Reason         `json:"reason,omitempty"`
	Source     string                `json:"source,omitempty"` // name
	Target     string                `json:"target,omitempty"` // name
	HTTPStatus int                   `json:"httpStatus,omitempty"`
	Detail     string                `json:"detail,omitempty"`
	Changes    []engine.LoggedChange `json:"changes,omitempty"`
	Duration   time.Duration         `json:"duration,omitempty"` // nanoseconds
	By         string                `json:"by,omitempty"`
	MatchedBy  string                `json:"matchedBy,omitempty"`
}

// appendEntry appends the row of an entry. A time that is not set becomes the present.
func appendEntry(args []any, t tx, c engine.CycleID, e engine.LogEntry) ([]any, error) {
	doc, err := json.Marshal(entryDoc{e.Rule, e.Reason, e.Source.Name, e.Target.Name, e.HTTPStatus, e.Detail, e.Changes, e.Duration, e.By, e.MatchedBy})
	if err != nil {
		return nil, fmt.Errorf("log row of a %s: %w", e.Kind, err)
	}
	at := micros(e.At)
	if at == 0 {
		at = t.now
	}
	return append(args, t.job, string(c), at, string(e.Action), string(e.Status), string(e.Kind), clean(string(e.Code)), e.Source.ID, e.Target.ID,
		searchable(e.Source.Name, e.Target.Name), string(doc)), nil
}

// searchable joins two names for a search that ignores case.
func searchable(a, b string) string {
	a, b = strings.ToLower(clean(a)), strings.ToLower(clean(b))
	if a == b || b == "" {
		return a
	}
	return a + "\n" + b
}

var likeEscape = strings.NewReplacer(`\`, `\\`, "%", `\%`, "_", `\_`)

// Entries implements [engine.Log]. Since is the first moment that is selected, Until the first that is not any more.
func (s *Store) Entries(ctx context.Context, j engine.JobID, f engine.LogFilter) ([]engine.LogEntry, error) {
	query := "SELECT id, cycle, at, action, status, kind, code, source_id, target_id, entry FROM log WHERE job = ?"
	args := []any{string(j)}
	where := func(condition string, values ...any) {
		query += " AND " + condition
		args = append(args, values...)
	}
	if f.Cycle != "" {
		where("cycle = ?", string(f.Cycle))
	}
	if f.Action != "" {
		where("action = ?", string(f.Action))
	}
	if f.Status != "" {
		where("status = ?", string(f.Status))
	}
	if f.Subject != "" {
		subject := clean(f.Subject)
		where(`(source_id = ? OR target_id = ? OR names LIKE ? ESCAPE '\')`,
			subject, subject, "%"+likeEscape.Replace(strings.ToLower(subject))+"%")
	}
	if f.Kind != "" {
		where("kind = ?", string(f.Kind))
	}
	if f.Code != "" {
		where("code = ? AND code <> ''", string(f.Code)) // the index has rows with a code
	}
	if f.ID != 0 {
		where("id = ?", f.ID)
	}
	if f.Source != "" {
		where("source_id = ?", f.Source)
	}
	if f.Target != "" {
		where("target_id = ?", f.Target)
	}
	within(f, string(j), where)
	// There is always an end to begin at: without one SQLite sorts all rows of the job.
	order := " ORDER BY id"
	switch {
	case !f.Newest:
		where("id > ?", max(f.AfterID, 0))
	case f.AfterID > 0:
		order += " DESC"
		where("id < ?", f.AfterID)
	default:
		order += " DESC"
		where("id < ?", int64(math.MaxInt64))
	}
	limit := f.Limit
	if limit <= 0 {
		limit = 1000
	}
	var list []engine.LogEntry
	err := s.read(ctx, j, "read log", func(ctx context.Context, t tx) error {
		return t.each(ctx, func(r *sql.Rows) error {
			e, err := scanEntry(r)
			e.Job = j
			list = append(list, e)
			return err
		}, query+order+" LIMIT ?", append(args, limit)...)
	})
	return list, err
}

// within adds the conditions on time. Rows are nearly in the order of their times: the index leads to the ends of
// the span, the log is read between them.
func within(f engine.LogFilter, job string, where func(condition string, values ...any)) {
	since, until := micros(f.Since), micros(f.Until)
	switch {
	case since != 0 && until != 0:
		const span = "FROM log WHERE job = ? AND at >= ? AND at < ?)"
		where("at >= ? AND at < ? AND id >= (SELECT min(id) "+span+" AND id <= (SELECT max(id) "+span,
			since, until, job, since, until, job, since, until)
	case since != 0:
		where("at >= ? AND id >= (SELECT min(id) FROM log WHERE job = ? AND at >= ?)", since, job, since)
	case until != 0:
		where("at < ?", until)
	}
}

func scanEntry(r *sql.Rows) (engine.LogEntry, error) {
	var e engine.LogEntry
	var at int64
	var text string
	if err := r.Scan(&e.ID, &e.Cycle, &at, &e.Action, &e.Status, &e.Kind, &e.Code, &e.Source.ID, &e.Target.ID, &text); err != nil {
		return e, err
	}
	var doc entryDoc
	d := json.NewDecoder(strings.NewReader(text))
	d.UseNumber()
	if err := d.Decode(&doc); err != nil {
		return e, fmt.Errorf("log row %d: %w", e.ID, err)
	}
	for i := range doc.Changes {
		doc.Changes[i].Old, doc.Changes[i].New = plain(doc.Changes[i].Old), plain(doc.Changes[i].New)
	}
	e.At, e.Rule, e.Reason, e.By, e.MatchedBy = fromMicros(at), doc.Rule, doc.Reason, doc.By, doc.MatchedBy
	e.HTTPStatus, e.Detail, e.Changes, e.Duration = doc.HTTPStatus, doc.Detail, doc.Changes, doc.Duration
	e.Source.Name, e.Target.Name = doc.Source, doc.Target
	return e, nil
}

package store

import (
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/scimsync/scimsync/engine"
)

var insertLog = &bulk{
	head: "INSERT INTO log (job, cycle, at, action, status, source_id, target_id, names, entry) VALUES ",
	row:  "(?, ?, ?, ?, ?, ?, ?, ?, ?)", width: 9,
}

// entryDoc is the part of a log row that nobody searches by.
type entryDoc struct {
	Rule       engine.Rule           `json:"rule,omitempty"`
	Reason     engine.Reason         `json:"reason,omitempty"`
	Source     string                `json:"source,omitempty"` // name
	Target     string                `json:"target,omitempty"` // name
	Kind       engine.Kind           `json:"kind,omitempty"`
	Code       engine.Code           `json:"code,omitempty"`
	HTTPStatus int                   `json:"httpStatus,omitempty"`
	Detail     string                `json:"detail,omitempty"`
	Changes    []engine.LoggedChange `json:"changes,omitempty"`
	Duration   time.Duration         `json:"duration,omitempty"` // nanoseconds
}

// appendEntry appends the row of an entry. A time that is not set becomes the present.
func appendEntry(args []any, t tx, c engine.CycleID, e engine.LogEntry) ([]any, error) {
	doc, err := json.Marshal(entryDoc{e.Rule, e.Reason, e.Source.Name, e.Target.Name, e.Kind, e.Code, e.HTTPStatus, e.Detail, e.Changes, e.Duration})
	if err != nil {
		return nil, fmt.Errorf("log row of a %s: %w", e.Kind, err)
	}
	at := micros(e.At)
	if at == 0 {
		at = t.now
	}
	return append(args, t.job, string(c), at, string(e.Action), string(e.Status), e.Source.ID, e.Target.ID,
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

// Entries implements [engine.Log].
func (s *Store) Entries(ctx context.Context, j engine.JobID, f engine.LogFilter) ([]engine.LogEntry, error) {
	query := "SELECT id, cycle, at, action, status, source_id, target_id, entry FROM log WHERE job = ?"
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
	if !f.Since.IsZero() {
		// Rows are nearly in the order of their times: the index leads to the first, the log is read from there.
		where("at >= ? AND id >= (SELECT min(id) FROM log WHERE job = ? AND at >= ?)", micros(f.Since), string(j), micros(f.Since))
	}
	if f.AfterID > 0 {
		where("id > ?", f.AfterID)
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
		}, query+" ORDER BY id LIMIT ?", append(args, limit)...)
	})
	return list, err
}

func scanEntry(r *sql.Rows) (engine.LogEntry, error) {
	var e engine.LogEntry
	var at int64
	var text string
	if err := r.Scan(&e.ID, &e.Cycle, &at, &e.Action, &e.Status, &e.Source.ID, &e.Target.ID, &text); err != nil {
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
	e.At, e.Rule, e.Reason, e.Kind, e.Code = fromMicros(at), doc.Rule, doc.Reason, doc.Kind, doc.Code
	e.HTTPStatus, e.Detail, e.Changes, e.Duration = doc.HTTPStatus, doc.Detail, doc.Changes, doc.Duration
	e.Source.Name, e.Target.Name = doc.Source, doc.Target
	return e, nil
}

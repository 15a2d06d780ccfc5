package enginetest

import (
	"fmt"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/scimsync/scimsync/engine"
)

func auditTests() []storeTest {
	return []storeTest{
		{"a row keeps all of its fields", func(c *storeCase) {
			e := engine.AuditEntry{At: now, Job: c.job, By: "Zoë", From: "192.0.2.1", Activity: engine.AuditSettings, Before: `{"a": 1}`, After: `{"a": 2}`,
				Comment: "why\n\x00", Failed: true}
			c.must(c.s.PutAudit(c.Context(), e))
			c.must(c.s.PutAudit(c.Context(), engine.AuditEntry{By: "system", Activity: engine.AuditTested}))
			list := got(c.s.AuditEntries(c.Context(), engine.AuditFilter{}))(c)
			if len(list) != 2 || list[0].ID <= 0 || list[1].ID <= list[0].ID || list[0].At.Location() != time.UTC {
				c.Fatalf("rows: %+v", list)
			}
			e.ID, e.Comment = list[0].ID, "why\n"
			c.equal("row", list[0], e)
			if age := time.Since(list[1].At); age < 0 || age > time.Minute {
				c.Errorf("a row without a time is of %v, not of now", list[1].At)
			}
		}},
		{"rows are filtered, oldest first", func(c *storeCase) {
			ctx := c.Context()
			for i, e := range []engine.AuditEntry{
				{Job: "a", By: "ann", Activity: engine.AuditStarted}, {Job: "b", By: "bob", Activity: engine.AuditPaused},
				{By: "ann", Activity: engine.AuditPaused}, {Job: "a", By: "bob", Activity: engine.AuditPaused},
			} {
				e.At, e.Comment = now.Add(time.Duration(i)*time.Minute), fmt.Sprint(i)
				c.must(c.s.PutAudit(ctx, e))
			}
			ids := got(c.s.AuditEntries(ctx, engine.AuditFilter{}))(c)
			for _, row := range []struct {
				name   string
				filter engine.AuditFilter
				want   []string
			}{
				{"all", engine.AuditFilter{}, []string{"0", "1", "2", "3"}},
				{"job", engine.AuditFilter{Job: "a"}, []string{"0", "3"}},
				{"person", engine.AuditFilter{By: "ann"}, []string{"0", "2"}},
				{"activity", engine.AuditFilter{Activity: engine.AuditPaused}, []string{"1", "2", "3"}},
				{"since", engine.AuditFilter{Since: now.Add(2 * time.Minute)}, []string{"2", "3"}},
				{"until", engine.AuditFilter{Until: now.Add(2*time.Minute + time.Second)}, []string{"0", "1", "2"}},
				{"after", engine.AuditFilter{AfterID: ids[1].ID}, []string{"2", "3"}},
				{"limit", engine.AuditFilter{Limit: 3}, []string{"0", "1", "2"}},
				{"all at once", engine.AuditFilter{Job: "a", By: "bob", Activity: engine.AuditPaused, Since: now, AfterID: ids[0].ID, Limit: 1}, []string{"3"}},
				{"nobody", engine.AuditFilter{By: "eve"}, nil},
			} {
				var found []string
				for _, e := range got(c.s.AuditEntries(ctx, row.filter))(c) {
					found = append(found, e.Comment)
				}
				c.equal(row.name, found, row.want)
			}
		}},
		{"whoever goes on after an id misses no row", func(c *storeCase) {
			ctx := c.Context()
			const writers, rows = 4, 20
			var g errgroup.Group
			for w := range writers {
				g.Go(func() error {
					for range rows {
						if err := c.s.PutAudit(ctx, engine.AuditEntry{Job: engine.JobID(fmt.Sprint("job", w)), Activity: engine.AuditPlanned}); err != nil {
							return err
						}
					}
					return nil
				})
			}
			seen, last := 0, int64(0)
			for end := time.Now().Add(time.Minute); seen < writers*rows && time.Now().Before(end); {
				for _, e := range got(c.s.AuditEntries(ctx, engine.AuditFilter{AfterID: last}))(c) {
					seen++
					last = e.ID
				}
			}
			c.must(g.Wait())
			c.equal("rows seen", seen, writers*rows)
		}},
		{"a thousand rows unless told otherwise", func(c *storeCase) {
			if testing.Short() {
				c.Skip("writes a thousand rows, each in a transaction")
			}
			for range 1005 {
				c.must(c.s.PutAudit(c.Context(), engine.AuditEntry{Activity: engine.AuditPlanned}))
			}
			c.equal("default", len(got(c.s.AuditEntries(c.Context(), engine.AuditFilter{}))(c)), 1000)
			c.equal("told", len(got(c.s.AuditEntries(c.Context(), engine.AuditFilter{Limit: 1100}))(c)), 1005)
		}},
	}
}

func noticeTests() []storeTest {
	due := func(c *storeCase, at time.Time, limit int) []engine.Notice {
		c.Helper()
		return got(c.s.DueNotices(c.Context(), at, limit))(c)
	}
	keys := func(list []engine.Notice) (keys []string) {
		for _, n := range list {
			keys = append(keys, string(n.Job)+" "+n.Key)
		}
		return keys
	}
	put := func(c *storeCase, n engine.Notice) bool {
		c.Helper()
		return got(c.s.PutNotice(c.Context(), n))(c)
	}
	return []storeTest{
		{"a notice keeps all of its fields", func(c *storeCase) {
			n := engine.Notice{Job: c.job, Kind: engine.NoticeQuarantined, Key: "k", At: now, Subject: "Zoë <z>", Text: "two\nlines",
				Facts: map[string]any{"count": int64(3), "share": 0.5, "code": "x", "list": []any{"a"}}, Attempts: 2, Due: now.Add(time.Minute), Delivered: []string{"mail"}}
			c.equal("fresh", put(c, n), true)
			c.equal("another job", put(c, engine.Notice{Job: "other", Key: "k"}), true)
			list := due(c, now.Add(time.Minute), 10)
			if len(list) != 2 || list[0].ID == 0 || list[0].At.Location() != time.UTC {
				c.Fatalf("notices: %+v", list)
			}
			n.ID = list[0].ID
			c.equal("notice", list[0], n)
			if age := time.Since(list[1].At); age < 0 || age > time.Minute {
				c.Errorf("a notice without a time is of %v, not of now", list[1].At)
			}
			if list[1].Facts != nil || len(list[1].Delivered) != 0 {
				c.Errorf("a notice without facts: %+v", list[1])
			}
		}},
		{"what has the same key is told once", func(c *storeCase) {
			c.equal("first", put(c, engine.Notice{Job: c.job, Key: "k", Subject: "first"}), true)
			c.equal("second", put(c, engine.Notice{Job: c.job, Key: "k", Subject: "second"}), false)
			list := due(c, all, 10)
			if len(list) != 1 || list[0].Subject != "first" {
				c.Errorf("notices: %+v", list)
			}
			list[0].Done = true
			c.must(c.s.UpdateNotice(c.Context(), list[0]))
			c.equal("after it was told", put(c, engine.Notice{Job: c.job, Key: "k"}), false)
			c.equal("due", keys(due(c, all, 10)), nil)
		}},
		{"several processes tell of one thing", func(c *storeCase) {
			var g errgroup.Group
			var fresh atomic.Int64
			for range 8 {
				g.Go(func() error {
					is, err := c.s.PutNotice(c.Context(), engine.Notice{Job: c.job, Key: "k"})
					if is {
						fresh.Add(1)
					}
					return err
				})
			}
			c.must(g.Wait())
			c.equal("fresh", fresh.Load(), int64(1))
			c.equal("notices", len(due(c, all, 10)), 1)
		}},
		{"due notices of all jobs, oldest first", func(c *storeCase) {
			put(c, engine.Notice{Job: "b", Key: "third", At: now.Add(2 * time.Minute)})
			put(c, engine.Notice{Job: "a", Key: "first", At: now})
			put(c, engine.Notice{Job: "a", Key: "later", At: now, Due: now.Add(time.Hour)})
			put(c, engine.Notice{Job: "b", Key: "second", At: now.Add(time.Minute), Due: now})
			put(c, engine.Notice{Job: "b", Key: "done", At: now, Done: true})
			c.equal("due", keys(due(c, now, 10)), []string{"a first", "b second", "b third"})
			c.equal("limit", keys(due(c, now, 2)), []string{"a first", "b second"})
			c.equal("an hour later", keys(due(c, now.Add(time.Hour), 10)), []string{"a first", "a later", "b second", "b third"})
		}},
		{"a delivery is recorded", func(c *storeCase) {
			ctx := c.Context()
			put(c, engine.Notice{Job: c.job, Key: "k", Subject: "s"})
			n := due(c, all, 10)[0]
			n.Attempts, n.Due, n.Delivered, n.Subject = 1, now.Add(time.Hour), []string{"mail", "https://hook.example.com"}, "other"
			c.must(c.s.UpdateNotice(ctx, n))
			c.equal("not yet", due(c, now, 10), nil)
			n.Subject = "s"
			c.equal("again", due(c, now.Add(time.Hour), 10), []engine.Notice{n})
			n.Done = true
			c.must(c.s.UpdateNotice(ctx, n))
			c.equal("done", due(c, all, 10), nil)
			n.ID++
			c.wraps(c.s.UpdateNotice(ctx, n), engine.ErrNotFound)
		}},
		{"one process claims a notice", func(c *storeCase) {
			ctx := c.Context()
			put(c, engine.Notice{Job: c.job, Key: "k"})
			n := due(c, now, 10)[0]
			claimed := make([]bool, 6)
			var g errgroup.Group
			for i := range claimed {
				g.Go(func() (err error) {
					claimed[i], err = c.s.ClaimNotice(ctx, n, now.Add(time.Minute))
					return err
				})
			}
			c.must(g.Wait())
			slices.SortFunc(claimed, func(a, b bool) int {
				switch {
				case a == b:
					return 0
				case a:
					return -1
				}
				return 1
			})
			c.equal("claimed", claimed, []bool{true, false, false, false, false, false})
			c.equal("nobody else sees it", due(c, now, 10), nil)
			after := due(c, now.Add(time.Minute), 10)[0]
			c.equal("attempts", after.Attempts, n.Attempts+1)
			c.equal("claimed again when the time is over", got(c.s.ClaimNotice(ctx, after, now.Add(time.Hour)))(c), true)
			after.Attempts, after.Done = 2, true
			c.must(c.s.UpdateNotice(ctx, after))
			c.equal("done", got(c.s.ClaimNotice(ctx, after, now.Add(time.Hour)))(c), false)
		}},
	}
}

package enginetest

import (
	"fmt"
	"time"

	"github.com/scimsync/scimsync/engine"
)

func cycleTests() []storeTest {
	return []storeTest{
		{"a cycle survives the process that began it", func(c *storeCase) {
			ctx := c.Context()
			fresh := engine.Cycle{ID: "c1", Job: c.job, Kind: engine.Initial, State: engine.CycleRunning, Phase: engine.PhaseImport, StartedAt: now}
			c.equal("begun", got(c.s.BeginCycle(ctx, fresh))(c), fresh)
			c.must(c.s.Count(ctx, c.job, "c1", engine.Counts{engine.ObjectsImported: 3}))
			other := fresh
			other.ID, other.Kind, other.StartedAt = "c2", engine.Incremental, now.Add(time.Hour)
			open := fresh
			open.Counts = engine.Counts{engine.ObjectsImported: 3}
			c.equal("gone on with", got(c.s.BeginCycle(ctx, other))(c), open)
			_, err := c.s.Cycle(ctx, c.job, "c2")
			c.wraps(err, engine.ErrNotFound)
			_, err = c.s.Cycle(ctx, "other", "c1")
			c.wraps(err, engine.ErrNotFound)
			elsewhere := other
			elsewhere.Job = "other"
			c.equal("another job has a cycle of its own", got(c.s.BeginCycle(ctx, elsewhere))(c), elsewhere)
		}},
		{"what is found out is kept with the cycle", func(c *storeCase) {
			ctx := c.Context()
			id := c.cycle("c1")
			for range 2 {
				c.must(c.s.SetPhase(ctx, c.job, id, engine.PhaseUsers))
				c.must(c.s.SetKind(ctx, c.job, id, engine.Initial))
				c.must(c.s.SetSurvey(ctx, c.job, id, engine.User, engine.SurveyEmpty))
				c.must(c.s.SetSurvey(ctx, c.job, id, engine.Group, engine.SurveyEmpty))
				c.must(c.s.SetSurvey(ctx, c.job, id, engine.Group, engine.SurveySearch))
			}
			r := got(c.s.Cycle(ctx, c.job, id))(c)
			c.equal("phase", r.Phase, engine.PhaseUsers)
			c.equal("kind", r.Kind, engine.Initial)
			c.equal("survey", r.Survey, map[engine.Kind]engine.Survey{engine.User: engine.SurveyEmpty, engine.Group: engine.SurveySearch})
			c.wraps(c.s.SetPhase(ctx, c.job, "none", engine.PhaseUsers), engine.ErrNotFound)
			c.wraps(c.s.SetKind(ctx, c.job, "none", engine.Initial), engine.ErrNotFound)
			c.wraps(c.s.SetSurvey(ctx, c.job, "none", engine.User, engine.SurveyEmpty), engine.ErrNotFound)
		}},
		{"counters add up", func(c *storeCase) {
			ctx := c.Context()
			id := c.cycle("c1")
			c.must(c.s.Count(ctx, c.job, id, engine.Counts{usersCreated: 2, engine.RequestsTarget: 5, usersUpdated: 0}))
			c.must(c.s.Count(ctx, c.job, id, engine.Counts{usersCreated: 1, engine.RequestsTarget: -1}))
			c.must(c.s.Count(ctx, c.job, id, nil))
			c.equal("counts", c.counts(id), engine.Counts{usersCreated: 3, engine.RequestsTarget: 4})
			c.wraps(c.s.Count(ctx, c.job, "none", engine.Counts{usersCreated: 1}), engine.ErrNotFound)
		}},
		{"a cycle ends once", func(c *storeCase) {
			ctx := c.Context()
			id := c.cycle("c1")
			c.must(c.s.Count(ctx, c.job, id, engine.Counts{usersCreated: 1}))
			ended := got(c.s.EndCycle(ctx, c.job, id, engine.CycleFailed, "code", "what happened", now.Add(time.Minute)))(c)
			if ended.State != engine.CycleFailed || ended.ErrorCode != "code" || ended.Error != "what happened" || !ended.EndedAt.Equal(now.Add(time.Minute)) || ended.Counts[usersCreated] != 1 {
				c.Errorf("ended: %+v", ended)
			}
			c.equal("again", got(c.s.EndCycle(ctx, c.job, id, engine.CycleSucceeded, "", "", now.Add(time.Hour)))(c), ended)
			c.equal("stored", got(c.s.Cycle(ctx, c.job, id))(c), ended)
			_, err := c.s.EndCycle(ctx, c.job, "none", engine.CycleSucceeded, "", "", now)
			c.wraps(err, engine.ErrNotFound)
			next := c.cycle("c2")
			c.equal("the next one", next, engine.CycleID("c2"))
		}},
		{"the newest cycles come first", func(c *storeCase) {
			ctx := c.Context()
			c.equal("none", got(c.s.LastCycles(ctx, c.job, 10))(c), nil)
			for i := range 5 {
				id := c.cycle(engine.CycleID(fmt.Sprintf("c%d", 9-i)))
				c.must(c.s.Count(ctx, c.job, id, engine.Counts{usersCreated: i + 1}))
				got(c.s.EndCycle(ctx, c.job, id, engine.CycleSucceeded, "", "", now))(c)
			}
			var list []string
			for _, r := range got(c.s.LastCycles(ctx, c.job, 3))(c) {
				list = append(list, fmt.Sprintf("%s %d", r.ID, r.Counts[usersCreated]))
			}
			c.equal("last", list, []string{"c5 5", "c6 4", "c7 3"})
		}},
		{"a job remembers its state", func(c *storeCase) {
			ctx := c.Context()
			c.equal("new", got(c.s.JobState(ctx, c.job))(c), engine.JobState{})
			for _, s := range []engine.JobState{{Fingerprint: "f1", Described: "[userName]", InitialDone: true}, {Fingerprint: "f2"}} {
				c.must(c.s.PutJobState(ctx, c.job, s))
				c.must(c.s.PutJobState(ctx, c.job, s))
				c.equal("state", got(c.s.JobState(ctx, c.job))(c), s)
			}
			c.equal("another job", got(c.s.JobState(ctx, "other"))(c), engine.JobState{})
		}},
	}
}

func logTests() []storeTest {
	return []storeTest{
		{"a row keeps all of its fields", func(c *storeCase) {
			ctx := c.Context()
			id := c.cycle("c1")
			e := engine.LogEntry{
				At: now, Job: c.job, Cycle: id, Action: engine.Update, Status: engine.StatusWarning, Rule: "U25", Reason: engine.AttributesChanged,
				Source: engine.Identity{ID: "s1", Name: "Zoë <z>"}, Target: engine.Identity{ID: "t1", Name: "zoe"}, Kind: engine.User,
				Code: engine.CodeConflict, HTTPStatus: 409, Detail: "detail\n", Duration: 1500 * time.Millisecond, By: "token of <ä>", MatchedBy: "userName",
				Changes: []engine.LoggedChange{{Attribute: "active", Old: true, New: false}, {Attribute: "n", Old: nil, New: int64(3)}, {Attribute: "x", Old: "a", New: []any{"b", 2.5}}},
			}
			c.must(c.s.Settle(ctx, c.job, id, []engine.Settled{{Ref: user("s1"), Log: &e}, {Ref: user("s2"), Log: &engine.LogEntry{Action: engine.Skip}}}))
			list := got(c.s.Entries(ctx, c.job, engine.LogFilter{}))(c)
			if len(list) != 2 || list[0].ID <= 0 || list[1].ID <= list[0].ID || list[1].At.IsZero() {
				c.Fatalf("rows: %+v", list)
			}
			e.ID = list[0].ID
			c.equal("row", list[0], e)
			c.equal("the other row is of the cycle that settled it", list[1].Cycle, id)
		}},
		{"rows are filtered", func(c *storeCase) {
			ctx := c.Context()
			var done []engine.Settled
			add := func(id, name, target, targetName string, action engine.Action, status engine.LogStatus, at time.Time, kind engine.Kind, code engine.Code) {
				done = append(done, engine.Settled{Ref: user(id), Log: &engine.LogEntry{At: at, Action: action, Status: status, Kind: kind, Code: code,
					Source: engine.Identity{ID: id, Name: name}, Target: engine.Identity{ID: target, Name: targetName}}})
			}
			add("s1", "Ärger@example.com", "t1", "Anna", engine.Create, engine.StatusSuccess, now, engine.User, "")
			add("s2", "bob@example.com", "t2", "BOB 100%", engine.Update, engine.StatusSuccess, now.Add(time.Minute), engine.Group, engine.CodeMapping)
			add("s3", "eve_x", "t3", "", engine.Create, engine.StatusFailure, now.Add(2*time.Minute), engine.User, engine.CodeConflict)
			first := c.cycle("c1")
			c.must(c.s.Settle(ctx, c.job, first, done[:2]))
			got(c.s.EndCycle(ctx, c.job, first, engine.CycleSucceeded, "", "", now))(c)
			c.must(c.s.Settle(ctx, c.job, c.cycle("c2"), done[2:]))
			ids := got(c.s.Entries(ctx, c.job, engine.LogFilter{}))(c)
			for _, row := range []struct {
				name   string
				filter engine.LogFilter
				want   []string
			}{
				{"all, oldest first", engine.LogFilter{}, []string{"create s1", "update s2", "create s3"}},
				{"cycle", engine.LogFilter{Cycle: "c1"}, []string{"create s1", "update s2"}},
				{"action", engine.LogFilter{Action: engine.Create}, []string{"create s1", "create s3"}},
				{"status", engine.LogFilter{Status: engine.StatusFailure}, []string{"create s3"}},
				{"since", engine.LogFilter{Since: now.Add(time.Minute)}, []string{"update s2", "create s3"}},
				{"after", engine.LogFilter{AfterID: ids[1].ID}, []string{"create s3"}},
				{"until, which is no more part of it", engine.LogFilter{Until: now.Add(time.Minute)}, []string{"create s1"}},
				{"a span", engine.LogFilter{Since: now.Add(time.Minute), Until: now.Add(2 * time.Minute)}, []string{"update s2"}},
				{"a span without rows", engine.LogFilter{Since: now.Add(time.Second), Until: now.Add(time.Minute)}, nil},
				{"kind", engine.LogFilter{Kind: engine.User}, []string{"create s1", "create s3"}},
				{"code", engine.LogFilter{Code: engine.CodeConflict}, []string{"create s3"}},
				{"another code", engine.LogFilter{Code: engine.CodeTooManyDeletes}, nil},
				{"this very row", engine.LogFilter{ID: ids[1].ID}, []string{"update s2"}},
				{"no such row", engine.LogFilter{ID: ids[2].ID + 1}, nil},
				{"source", engine.LogFilter{Source: "s2"}, []string{"update s2"}},
				{"the target's id is not the source's", engine.LogFilter{Source: "t2"}, nil},
				{"target", engine.LogFilter{Target: "t3"}, []string{"create s3"}},
				{"newest first", engine.LogFilter{Newest: true}, []string{"create s3", "update s2", "create s1"}},
				{"newest first, in a span", engine.LogFilter{Newest: true, Since: now, Until: now.Add(2 * time.Minute)}, []string{"update s2", "create s1"}},
				{"newest first, limited", engine.LogFilter{Newest: true, Limit: 2}, []string{"create s3", "update s2"}},
				{"newest first, before a row", engine.LogFilter{Newest: true, AfterID: ids[1].ID}, []string{"create s1"}},
				{"newest first, of a cycle", engine.LogFilter{Newest: true, Cycle: "c1", Kind: engine.Group}, []string{"update s2"}},
				{"limit", engine.LogFilter{Limit: 2}, []string{"create s1", "update s2"}},
				{"source id", engine.LogFilter{Subject: "s2"}, []string{"update s2"}},
				{"target id", engine.LogFilter{Subject: "t3"}, []string{"create s3"}},
				{"part of an id", engine.LogFilter{Subject: "t"}, nil},
				{"part of a name in another case", engine.LogFilter{Subject: "äRG"}, []string{"create s1"}},
				{"part of the target's name", engine.LogFilter{Subject: "ann"}, []string{"create s1"}},
				{"part of several names", engine.LogFilter{Subject: "@EXAMPLE"}, []string{"create s1", "update s2"}},
				{"no wildcard", engine.LogFilter{Subject: "%"}, []string{"update s2"}},
				{"nor this one", engine.LogFilter{Subject: "_"}, []string{"create s3"}},
				{"nor an escape", engine.LogFilter{Subject: `\`}, nil},
				{"two at once", engine.LogFilter{Action: engine.Create, Cycle: "c1"}, []string{"create s1"}},
			} {
				c.equal(row.name, c.logged(row.filter), row.want)
			}
			c.equal("another job", len(got(c.s.Entries(ctx, "other", engine.LogFilter{}))(c)), 0)
		}},
		{"a thousand rows unless told otherwise", func(c *storeCase) {
			ctx := c.Context()
			var done []engine.Settled
			for i := range 1200 {
				r := user(fmt.Sprint("u", i))
				done = append(done, engine.Settled{Ref: r, Log: row(engine.Create, r)})
			}
			c.must(c.s.Settle(ctx, c.job, "", done))
			c.equal("default", len(c.logged(engine.LogFilter{})), 1000)
			c.equal("told", len(c.logged(engine.LogFilter{Limit: 1100})), 1100)
		}},
	}
}

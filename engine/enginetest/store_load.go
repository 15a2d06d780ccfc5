package enginetest

import (
	"fmt"
	"slices"

	"golang.org/x/sync/errgroup"

	"github.com/scimsync/scimsync/engine"
)

// loadTests: concurrency, and more objects than one statement names.
func loadTests() []storeTest {
	return []storeTest{
		{"memberships converge", func(c *storeCase) { convergence(c.T, c.s) }},
		{"disjoint changes are settled at the same time", func(c *storeCase) {
			ctx := c.Context()
			id := c.cycle("c1")
			const n, workers = 400, 4
			var edges []engine.Edge
			var refs []engine.Ref
			for i := range n {
				refs = append(refs, user(fmt.Sprintf("u%03d", i)))
				edges = append(edges, member("g1", refs[i]), manager(refs[i].ID, fmt.Sprintf("u%03d", (i+1)%n)))
			}
			c.edges(edges...)
			q := c.queue(refs...)
			var g errgroup.Group
			for w := range workers {
				g.Go(func() error {
					for i := w; i < n; i += workers * 5 {
						var done []engine.Settled
						for k := i; k < min(i+workers*5, n); k += workers {
							r := refs[k]
							done = append(done, engine.Settled{Ref: r, Rev: q[r].Rev, Bucket: engine.BucketCreated, Link: linkOf(r), Wake: true, Log: row(engine.Create, r)})
						}
						if err := c.s.Settle(ctx, c.job, id, done); err != nil {
							return err
						}
						if err := c.s.Count(ctx, c.job, id, engine.Counts{engine.ObjectsDone: len(done)}); err != nil {
							return err
						}
					}
					return nil
				})
			}
			g.Go(func() error { // readers see whole transactions: a row of the log for every link
				for range 20 {
					if _, err := c.s.Undecided(ctx, c.job, engine.User, now, "", 100); err != nil {
						return err
					}
					if _, err := c.s.Holders(ctx, c.job, engine.Manager, "", 50); err != nil {
						return err
					}
				}
				return nil
			})
			c.must(g.Wait())
			c.equal("queue", got(c.s.QueueSize(ctx, c.job))(c), nil)
			c.equal("counts", c.counts(id), engine.Counts{usersCreated: n, engine.ObjectsDone: n})
			c.equal("links", got(c.s.CountLinks(ctx, c.job, engine.User))(c), map[engine.LinkState]int{engine.Managed: n})
			c.equal("log", len(c.logged(engine.LogFilter{})), n)
		}},
		{"queueing while settling loses nothing", func(c *storeCase) {
			ctx := c.Context()
			id := c.cycle("c1")
			r := user("u1")
			const rounds = 60
			var g errgroup.Group
			g.Go(func() error {
				for range rounds {
					if err := c.s.Enqueue(ctx, c.job, []engine.Ref{r}); err != nil {
						return err
					}
				}
				return nil
			})
			var last int64
			g.Go(func() error {
				for range rounds {
					list, err := c.s.Undecided(ctx, c.job, engine.User, now, "", 10)
					if err != nil {
						return err
					}
					for _, q := range list {
						last = q.Rev
						if err := c.s.Settle(ctx, c.job, id, []engine.Settled{{Ref: r, Rev: q.Rev, Bucket: engine.BucketUnchanged}}); err != nil {
							return err
						}
					}
				}
				return nil
			})
			c.must(g.Wait())
			for _, q := range c.undecided() {
				if q.Rev <= last {
					c.Errorf("revision %d is queued though %d was settled", q.Rev, last)
				}
				c.must(c.s.Settle(ctx, c.job, id, []engine.Settled{{Ref: r, Rev: q.Rev, Bucket: engine.BucketUnchanged}}))
			}
			c.equal("queue", c.queued(), nil)
		}},
		{"several processes begin one cycle", func(c *storeCase) {
			ctx := c.Context()
			ids := make([]engine.CycleID, 4)
			var g errgroup.Group
			for i := range ids {
				g.Go(func() error {
					r, err := c.s.BeginCycle(ctx, engine.Cycle{ID: engine.CycleID(fmt.Sprint("c", i)), Job: c.job, Kind: engine.Initial, StartedAt: now})
					ids[i] = r.ID
					return err
				})
			}
			c.must(g.Wait())
			if len(slices.Compact(ids)) != 1 {
				c.Errorf("different cycles: %v", ids)
			}
			c.equal("cycles", len(got(c.s.LastCycles(ctx, c.job, 10))(c)), 1)
		}},
		{"ten thousand objects in pages", func(c *storeCase) {
			ctx := c.Context()
			const n, page = 10_000, 700
			id := func(i int) string { return fmt.Sprintf("u%05d", i) }
			gen := c.open(engine.FeedUsers, true).Generation
			for from := 0; from < n; from += page {
				w := engine.PageWrite{Generation: gen, Next: engine.Cursor(fmt.Sprint(from))}
				for i := from; i < min(from+page, n); i++ {
					w.Objects = append(w.Objects, active(user(id(i))))
					w.Assignments = append(w.Assignments, assigned("a"+id(i), user(id(i))))
					w.Edges = append(w.Edges, member("g1", user(id(i))))
				}
				c.save(engine.FeedUsers, w)
			}
			c.must(c.s.CloseRound(ctx, c.job, engine.FeedUsers, "w"))
			c.link(group("g1"))
			seen := 0
			for after := ""; ; {
				list := got(c.s.Undecided(ctx, c.job, engine.User, now, after, page))(c)
				if len(list) == 0 {
					break
				}
				var plan []engine.Planned
				for _, q := range list {
					if q.ID != id(seen) || !q.Known || len(q.Paths) != 1 || q.Object.Attributes["displayName"] != q.ID {
						c.Fatalf("change %d: %+v", seen, q)
					}
					plan = append(plan, engine.Planned{Ref: q.Ref, Order: engine.Order(1 + seen%3)})
					seen++
				}
				c.must(c.s.Plan(ctx, c.job, plan))
				after = list[len(list)-1].ID
			}
			c.equal("undecided", seen, n)
			spans := got(c.s.Seal(ctx, c.job, engine.User))(c)
			c.equal("spans", spans, []engine.Span{{Order: 1, From: 1, To: 3334}, {Order: 2, From: 3335, To: 6667}, {Order: 3, From: 6668, To: n}})
			cycle := c.cycle("c1")
			for from := int64(1); from <= n; from += page {
				var done []engine.Settled
				for _, q := range got(c.s.Ready(ctx, c.job, engine.User, from, from+page-1))(c) {
					if q.Seq != from+int64(len(done)) {
						c.Fatalf("ready change %s has the number %d, want %d", q.ID, q.Seq, from+int64(len(done)))
					}
					done = append(done, engine.Settled{Ref: q.Ref, Rev: q.Rev, Bucket: engine.BucketCreated, Link: linkOf(q.Ref), Wake: true, Log: row(engine.Create, q.Ref)})
				}
				c.must(c.s.Settle(ctx, c.job, cycle, done))
			}
			c.equal("created", c.counts(cycle), engine.Counts{usersCreated: n})
			c.equal("queue", got(c.s.QueueSize(ctx, c.job))(c), nil)
			seen = 0
			for after := ""; ; {
				list := got(c.s.Waiting(ctx, c.job, group("g1"), engine.Member, after, page))(c)
				if len(list) == 0 {
					break
				}
				s := engine.EdgesSettled{From: group("g1"), Relation: engine.Member}
				for _, m := range list {
					if m.To.ID != id(seen) || m.TargetID != "t-"+m.To.ID {
						c.Fatalf("edge %d: %+v", seen, m)
					}
					s.Added = append(s.Added, m.To)
					seen++
				}
				c.must(c.s.SettleEdges(ctx, c.job, cycle, s))
				after = list[len(list)-1].To.ID
			}
			c.equal("edges", seen, n)
			c.equal("holders", c.holders(engine.Member), nil)
			c.must(c.s.EnqueueAll(ctx, c.job, false))
			c.equal("queued again", got(c.s.QueueSize(ctx, c.job))(c), map[engine.ChangeState]int{engine.ChangeQueued: n + 1})
		}},
	}
}

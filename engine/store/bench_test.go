package store_test

import (
	"fmt"
	"runtime"
	"testing"
	"time"

	"github.com/scimsync/scimsync/engine"
	"github.com/scimsync/scimsync/engine/enginetest"
	"github.com/scimsync/scimsync/engine/store"
	"github.com/scimsync/scimsync/mapping"
)

// The benchmarks report the time of one object; -benchtime=100000x is a whole directory. The goals on two
// cores: Settle under 150 µs (60 µs is good), Import and Plan under 60 µs.

const (
	benchJob   = engine.JobID("bench")
	benchPage  = 200
	benchBatch = 100
)

func onBoth(b *testing.B, run func(b *testing.B, s *store.Store)) {
	open := func(b *testing.B, url string) {
		s, err := store.Open(b.Context(), url, b.TempDir())
		if err != nil {
			b.Fatal(err)
		}
		defer s.Close()
		run(b, s)
		b.StopTimer()
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		b.ReportMetric(float64(m.Sys)/(1<<20), "MiB-sys")
	}
	b.Run("sqlite", func(b *testing.B) { open(b, "") })
	b.Run("postgres", func(b *testing.B) { open(b, enginetest.Postgres(b)) })
}

func benchID(i int) string {
	// Ids of a directory are random: rows do not come in the order of keys.
	h := uint64(i) * 0x9E3779B97F4A7C15
	return fmt.Sprintf("%08x-%04x-4000-8000-%012x", uint32(h>>32), uint16(h>>16), i)
}

func benchUser(i int) engine.Object {
	name := fmt.Sprintf("Person Number%d", i)
	return engine.Object{
		Ref: engine.Ref{Kind: engine.User, ID: benchID(i)}, State: engine.Active,
		Attributes: mapping.Attributes{
			"id": benchID(i), "accountEnabled": true, "displayName": name, "givenName": "Person", "surname": fmt.Sprintf("Number%d", i),
			"userPrincipalName": fmt.Sprintf("person.number%d@example.com", i), "mail": fmt.Sprintf("person.number%d@example.com", i),
			"jobTitle": "Engineer", "department": "Research and Development", "city": "Springfield", "country": "DE",
			"userType": "Member", "businessPhones": []any{"+49 30 1234567"}, "employeeId": int64(i),
		},
	}
}

// benchImport imports n users with a manager and an assignment each, in one full round per feed.
func benchImport(b *testing.B, s *store.Store, n int) {
	ctx := b.Context()
	round := func(f engine.Feed, n int, page func(i int, w *engine.PageWrite)) {
		st, err := s.OpenRound(ctx, benchJob, f, true, "")
		if err != nil {
			b.Fatal(err)
		}
		for from := 0; from < n; from += benchPage {
			w := engine.PageWrite{Generation: st.Generation, Next: engine.Cursor(fmt.Sprint("page", from))}
			for i := from; i < min(from+benchPage, n); i++ {
				page(i, &w)
			}
			if err := s.SavePage(ctx, benchJob, f, w); err != nil {
				b.Fatal(err)
			}
		}
		if err := s.CloseRound(ctx, benchJob, f, "watermark"); err != nil {
			b.Fatal(err)
		}
	}
	round(engine.FeedAssignments, n/10, func(i int, w *engine.PageWrite) {
		w.Assignments = append(w.Assignments, engine.Assignment{ID: "a" + benchID(i), Principal: engine.Ref{Kind: engine.User, ID: benchID(10 * i)}, Effective: true})
	})
	round(engine.FeedUsers, n, func(i int, w *engine.PageWrite) {
		u := benchUser(i)
		w.Objects = append(w.Objects, u)
		w.Edges = append(w.Edges, engine.Edge{From: u.Ref, Relation: engine.Manager, To: engine.Ref{Kind: engine.User, ID: benchID(i / 10)}})
		w.Queue = append(w.Queue, u.Ref)
	})
}

func BenchmarkImport(b *testing.B) {
	onBoth(b, func(b *testing.B, s *store.Store) {
		b.ResetTimer()
		benchImport(b, s, b.N)
	})
}

// benchPlan decides, seals and reads back what there is to export.
func benchPlan(b *testing.B, s *store.Store, each func(list []engine.Queued)) {
	ctx := b.Context()
	for after := ""; ; {
		list, err := s.Undecided(ctx, benchJob, engine.User, time.Now(), after, benchPage)
		if err != nil {
			b.Fatal(err)
		}
		if len(list) == 0 {
			break
		}
		plan := make([]engine.Planned, len(list))
		for i, q := range list {
			plan[i] = engine.Planned{Ref: q.Ref, Order: engine.OrderCreate}
		}
		if err := s.Plan(ctx, benchJob, plan); err != nil {
			b.Fatal(err)
		}
		after = list[len(list)-1].ID
	}
	spans, err := s.Seal(ctx, benchJob, engine.User)
	if err != nil {
		b.Fatal(err)
	}
	for from := int64(1); from <= spans[0].To; from += benchBatch {
		list, err := s.Ready(ctx, benchJob, engine.User, from, from+benchBatch-1)
		if err != nil {
			b.Fatal(err)
		}
		each(list)
	}
}

func BenchmarkPlan(b *testing.B) {
	onBoth(b, func(b *testing.B, s *store.Store) {
		benchImport(b, s, b.N)
		b.ResetTimer()
		benchPlan(b, s, func([]engine.Queued) {})
	})
}

// What a batch adds for its reservation.
func BenchmarkReserve(b *testing.B) {
	onBoth(b, func(b *testing.B, s *store.Store) {
		benchImport(b, s, b.N)
		b.StopTimer()
		b.ResetTimer()
		benchPlan(b, s, func(list []engine.Queued) {
			now := time.Now()
			b.StartTimer()
			if err := s.LeaseReady(b.Context(), benchJob, engine.User, list[0].Seq, list[len(list)-1].Seq, "cycle", now.Add(time.Minute), now); err != nil {
				b.Fatal(err)
			}
			b.StopTimer()
		})
	})
}

func BenchmarkSettle(b *testing.B) {
	onBoth(b, func(b *testing.B, s *store.Store) {
		ctx := b.Context()
		benchImport(b, s, b.N)
		c, err := s.BeginCycle(ctx, engine.Cycle{ID: "cycle", Job: benchJob, Kind: engine.Initial, StartedAt: time.Now()})
		if err != nil {
			b.Fatal(err)
		}
		b.StopTimer()
		b.ResetTimer()
		benchPlan(b, s, func(list []engine.Queued) {
			results := make([]engine.Settled, len(list))
			for i, q := range list {
				results[i] = benchCreated(q)
			}
			b.StartTimer()
			if err := s.Settle(ctx, benchJob, c.ID, results); err != nil {
				b.Fatal(err)
			}
			b.StopTimer()
		})
	})
}

// benchCreated is a user that was created with six attributes.
func benchCreated(q engine.Queued) engine.Settled {
	a := q.Object.Attributes
	exported := map[string]any{"username": a["userPrincipalName"], "active": true, "displayname": a["displayName"],
		"name.givenname": a["givenName"], "name.familyname": a["surname"], "externalid": q.ID}
	var changes []engine.LoggedChange
	for k, v := range exported {
		changes = append(changes, engine.LoggedChange{Attribute: k, New: v})
	}
	name := a["displayName"].(string)
	return engine.Settled{
		Ref: q.Ref, Rev: q.Rev, Bucket: engine.BucketCreated, Wake: true,
		Link: &engine.Link{Ref: q.Ref, TargetID: "t" + q.ID, State: engine.Managed, MatchedBy: "created", Name: name, Exported: exported},
		Log: &engine.LogEntry{At: time.Now(), Action: engine.Create, Status: engine.StatusSuccess, Rule: "U1", Reason: engine.Assigned,
			Kind: engine.User, Source: engine.Identity{ID: q.ID, Name: name}, Target: engine.Identity{ID: "t" + q.ID, Name: name},
			Changes: changes, Duration: 50 * time.Millisecond},
	}
}

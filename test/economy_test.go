package test

import (
	"fmt"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/scimsync/scimsync/connectors/msgraph/graphtest"
	"github.com/scimsync/scimsync/connectors/scim/scimtest"
	"github.com/scimsync/scimsync/engine"
)

// TestIdleCycle is a cycle in which nothing has changed: it asks the directory a handful of questions,
// however many people there are, and the application none.
func TestIdleCycle(t *testing.T) {
	for _, c := range []struct {
		users, groups int
		settings      graphtest.Settings
		most          int // requests to the source
	}{
		{200, 20, graphtest.Calm(), 4},
		{2000, 100, graphtest.DefaultSettings(), 6}, // pages that come again, or are empty
	} {
		t.Run(fmt.Sprintf("%d users, at most %d requests", c.users, c.most), func(t *testing.T) {
			t.Parallel()
			o := company(c.users, c.groups)
			o.Settings = &c.settings
			w := newWorld(t, setting{graph: o})
			w.sync()
			for range 3 {
				w.dir.ClearLog()
				got := w.quiet().Counts[engine.RequestsSource]
				if got != len(w.dir.Log()) {
					t.Errorf("%d requests counted, the directory saw %d", got, len(w.dir.Log()))
				}
				if got > c.most {
					t.Errorf("%d requests to the source, want at most %d: %v", got, c.most, w.dir.Log())
				}
			}
		})
	}
}

// TestOneChangeAmongThousands: one attribute of one person among 10,000 costs the application one PATCH.
func TestOneChangeAmongThousands(t *testing.T) {
	if testing.Short() {
		t.Skip("10,000 people take about ten seconds; run without -short")
	}
	t.Parallel()
	const people = 10_000
	w := newWorld(t, setting{graph: graphtest.Options{Seed: 3, Population: graphtest.Population{Users: people, Groups: 100, Memberships: 20_000, Tidy: true}}})
	first := w.sync()
	n := w.app.Requests()
	if got := first.Counts["users.created"]; got != people {
		t.Fatalf("%d users created", got)
	}
	if got := n.By["POST /Users"] + n.By["GET /Users"] + n.By["GET /Users/{id}"] + n.By["PATCH /Users/{id}"]; got > people*103/100 {
		t.Errorf("%d requests for %d users on an empty application, want at most 1.03 each: %v", got, people, n.By)
	}
	w.inStep()
	for id := range w.dir.Truth().Entitled {
		w.dir.UpdateUser(id, map[string]any{"surname": "Married"})
		break
	}
	w.sync()
	if d := cmp.Diff(map[string]int{"PATCH /Users/{id}": 1}, w.app.Requests().By); d != "" {
		t.Errorf("requests to the application (-want +got):\n%s", d)
	}
	w.inStep()
	w.quiet()
}

// TestMembershipBatches writes the members of a group in batches of the size that the application
// takes, without ever asking who is in it.
func TestMembershipBatches(t *testing.T) {
	for _, c := range []struct {
		limit          int // members that the application takes at once; 0: any
		first, another int // requests for the first group and, when the limit is known, for another
	}{
		{0, 3, 3},
		{100, 3, 3},
		{60, 6, 5},  // 100 refused, then 50, 50, 50, 50, 50
		{7, 50, 42}, // 100, 50, 25, 12 refused, then what is left of these in halves, then 6 by 6
		{1, 258, 250},
	} {
		t.Run(fmt.Sprintf("limit %d", c.limit), func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, setting{app: scimtest.Options{LogSize: 10_000, Quirks: scimtest.Quirks{MemberBatchLimit: c.limit}}})
			var people []string
			for i := range 250 {
				people = append(people, w.addUser(fmt.Sprintf("person%d", i)))
			}
			found := func(name string, members []string) string {
				id := w.dir.AddGroup(graphtest.Group{DisplayName: name, Members: members})
				w.dir.Assign(id, graphtest.ZeroRole)
				return id
			}
			patches := func() int { return w.app.Requests().By["PATCH /Groups/{id}"] }
			group := found("First", people)
			w.sync()
			w.blind()
			if got := patches(); got > c.first {
				t.Errorf("%d requests for the members of the first group, want at most %d", got, c.first)
			}
			found("Another", people)
			w.sync()
			w.blind()
			if got := patches(); got > c.another {
				t.Errorf("%d requests for the members of another group, want at most %d", got, c.another)
			}
			for _, m := range people[:125] {
				w.dir.RemoveMember(group, m)
			}
			w.sync()
			w.inStep()
			w.quiet()
		})
	}
}

// blind fails the test if a group was asked for its members.
func (w *world) blind() {
	w.t.Helper()
	for _, r := range w.app.Log() {
		if r.Method != "GET" || !strings.HasPrefix(r.Template, "/Groups") {
			continue
		}
		q, err := url.ParseQuery(r.Query)
		if err != nil {
			w.t.Fatal(err)
		}
		if !slices.Contains(strings.Split(q.Get("excludedAttributes"), ","), "members") {
			w.t.Errorf("a group was read with its members: GET %s?%s", r.Path, r.Query)
		}
	}
}

// TestPopulatedApplication starts on an application that is in use: who is known there is taken over
// and not made twice, and whoever has nothing to do with the directory is left alone.
func TestPopulatedApplication(t *testing.T) {
	for _, d := range dialects {
		t.Run(d.name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, setting{graph: company(120, 10), profile: d.profile, dialect: d.flag, app: scimtest.Options{LogSize: 10_000}})
			outsider := w.addUser("outsider") // in the directory, not assigned
			blocked := w.addUser("blocked")   // assigned, sign-in blocked
			w.dir.Assign(blocked, graphtest.ZeroRole)
			w.dir.UpdateUser(blocked, map[string]any{"accountEnabled": false})
			truth := w.dir.Truth()
			own := map[string]string{} // ids of accounts that are to be taken over
			i := 0
			for id, a := range entitled(truth) {
				if i++; i%2 == 0 {
					continue
				}
				account, err := w.app.AddUser(map[string]any{"userName": strings.ToUpper(a.UserName), "displayName": "Old Name", "active": i%3 > 0})
				if err != nil {
					t.Fatal(err)
				}
				own[id] = account
			}
			for id, g := range teams(truth, nil) {
				if i++; i%2 > 0 {
					continue
				}
				account, err := w.app.AddGroup(map[string]any{"displayName": g.Name})
				if err != nil {
					t.Fatal(err)
				}
				own[id] = account
			}
			var strangers []scimtest.Resource
			for _, name := range []string{"outsider@example.test", "blocked@example.test", "admin", "service.account@elsewhere.test"} {
				strangers = append(strangers, w.stranger(name))
			}
			w.sync()
			w.blind()
			w.inStep()
			for range 5 {
				w.dir.PassDay()
				w.sync()
				w.inStep()
			}
			w.dir.SoftDelete(outsider)
			w.dir.HardDelete(blocked)
			w.sync()
			for id, account := range own {
				if r, there := w.account(id); there && r.ID != account {
					t.Errorf("somebody has the account %s beside %s, which was there before", r.ID, account)
				}
			}
			for _, was := range strangers {
				if now, there := w.app.ByID(was.ID); !there || now.Version != was.Version {
					t.Errorf("the account of a stranger, %s, was touched", was.UserName)
				}
			}
			seen := map[string]string{}
			for _, r := range w.app.Users() {
				name := strings.ToLower(r.UserName)
				if other, twice := seen[name]; twice {
					t.Errorf("%s and %s are both %s", r.ID, other, name)
				}
				seen[name] = r.ID
			}
			w.quiet()
		})
	}
}

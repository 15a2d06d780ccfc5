package test

import (
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/scimsync/scimsync/connectors/msgraph/graphtest"
	"github.com/scimsync/scimsync/connectors/scim/scimtest"
)

// operation is one line of a plan or of the log, as far as they must agree.
type operation struct {
	Type, Action, Rule string
	Source             struct{ ID string }
	Changes            []struct {
		Attribute string
		Old, New  any
	}
}

// key names what is done to whom; the new values tell with what.
func (o operation) key() string {
	var to []string
	for _, c := range o.Changes {
		to = append(to, fmt.Sprint(c.Attribute, "=", c.New))
	}
	slices.Sort(to)
	return fmt.Sprint(o.Type, " ", o.Source.ID, " ", o.Action, " ", o.Rule, " ", to)
}

// TestPlan: a plan before and the log after the cycle agree object by object on a mixed day of changes, and
// the plan leaves no trace, neither here nor there.
func TestPlan(t *testing.T) {
	t.Parallel()
	const people = 2000
	s := newSite(t, graphtest.Options{Seed: 9, Population: graphtest.Population{Users: people, Groups: 40, Tidy: true}}, scimtest.Options{}, "    deletions: {threshold: 0}\n")

	code, out, errw := s.run("plan", "job", "--output", "json")
	if code != 0 {
		t.Fatalf("plan of a job that never ran: exit code %d\n%s", code, errw)
	}
	if code, out, errw := s.run("logs", "job"); code != 0 || out != "" || !strings.Contains(errw, "nothing ever ran") {
		t.Errorf("logs of a job that never ran: exit code %d, %q, %q", code, out, errw)
	}
	if _, err := os.Stat(filepath.Join(s.folder, "data")); !os.IsNotExist(err) {
		t.Error("looking at a job that never ran made a store for it")
	}
	var first struct {
		Summary struct{ Users map[string]int }
	}
	if err := json.Unmarshal([]byte(out), &first); err != nil || first.Summary.Users["created"] != people {
		t.Errorf("the first plan creates %d of %d people (%v)", first.Summary.Users["created"], people, err)
	}
	if users, groups := s.app.Size(); users+groups > 0 {
		t.Fatalf("a plan made %d accounts and %d groups", users, groups)
	}
	s.once(0)

	for range 4 {
		s.dir.PassDay()
	}
	s.app.ResetCounts()
	planned := s.operations("plan", "job", "--output", "json")
	again := s.operations("plan", "job", "--output", "json")
	if d := cmp.Diff(planned, again); d != "" {
		t.Errorf("a second plan differs (-first +second):\n%s", d)
	}
	if n := s.app.Requests(); n.Writes != 0 {
		t.Errorf("plans wrote to the application: %v", n.By)
	}
	if len(planned) < 40 {
		t.Fatalf("a day brought only %d operations: the test shows nothing", len(planned))
	}
	s.once(0)
	done := s.logged()
	if d := cmp.Diff(planned, done); d != "" {
		t.Errorf("plan and cycle differ (-plan +cycle):\n%s", d)
	}
}

// operations returns the sorted keys of a plan.
func (s *site) operations(args ...string) []string {
	s.t.Helper()
	code, out, errw := s.run(args...)
	if code != 0 {
		s.t.Fatalf("%v: exit code %d\n%s", args, code, tail(errw))
	}
	var plan struct{ Operations []operation }
	if err := json.Unmarshal([]byte(out), &plan); err != nil {
		s.t.Fatal(err)
	}
	keys := map[string]bool{}
	for _, o := range plan.Operations {
		keys[o.key()] = true
	}
	return slices.Sorted(maps.Keys(keys))
}

// logged returns the sorted keys of what the last cycle did.
func (s *site) logged() []string {
	s.t.Helper()
	code, out, errw := s.run("logs", "job", "--output", "json")
	if code != 0 {
		s.t.Fatalf("logs: exit code %d\n%s", code, tail(errw))
	}
	d := json.NewDecoder(strings.NewReader(out))
	byCycle, last := map[string]map[string]bool{}, ""
	for d.More() {
		var row struct {
			operation
			Cycle string
		}
		if err := d.Decode(&row); err != nil {
			s.t.Fatal(err)
		}
		if byCycle[row.Cycle] == nil {
			byCycle[row.Cycle] = map[string]bool{}
		}
		last = row.Cycle
		if row.Action != "nothing" {
			byCycle[row.Cycle][row.key()] = true
		}
	}
	return slices.Sorted(maps.Keys(byCycle[last]))
}

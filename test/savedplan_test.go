package test

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/scimsync/scimsync/connectors/msgraph/graphtest"
	"github.com/scimsync/scimsync/connectors/scim/scimtest"
)

// TestSavedPlan saves a plan and carries it out: exactly what it has, and not what changed since at the directory, at the
// application or in the configuration.
func TestSavedPlan(t *testing.T) {
	t.Parallel()
	s := newSite(t, graphtest.Options{Seed: 9, Population: graphtest.Population{Users: 200, Groups: 8, Tidy: true}}, scimtest.Options{}, "    deletions: {threshold: 0}\n")
	file := filepath.Join(s.folder, "plan.json")
	save := func() []string {
		t.Helper()
		return s.operations("plan", "job", "--save", file, "--output", "json")
	}
	apply := func(want int) (out, errw string) {
		t.Helper()
		code, out, errw := s.run("run", "--once", "--plan", file, "--output", "json")
		if code != want {
			t.Fatalf("exit code %d, want %d\n%s\n%s", code, want, out, tail(errw))
		}
		return out, errw
	}

	// A first plan makes everybody, memberships included.
	save()
	apply(0)
	s.inStep()
	s.quiet()
	if info, err := os.Stat(file); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the plan has names in it, and its mode is %v, %v", info.Mode(), err)
	}

	// Carried out as it is, plan and log agree.
	s.dir.PassDay()
	planned := save()
	apply(0)
	if d := cmp.Diff(planned, s.logged()); d != "" {
		t.Errorf("plan and cycle differ (-plan +cycle):\n%s", d)
	}
	s.quiet()

	// Again it has nothing left to do, and says so.
	out, _ := apply(3)
	if !strings.Contains(out, "ChangedSincePlan") {
		t.Errorf("a plan that was carried out before: %s", out)
	}

	// Four people change; of these one changes once more, one comes back to what he was, one is changed at the application.
	var ids []string
	for _, r := range s.app.Users()[:6] {
		ids = append(ids, r.ExternalID)
	}
	name := s.dir.Truth().Users[ids[1]].Properties["displayName"]
	for _, id := range ids[:4] {
		s.dir.UpdateUser(id, map[string]any{"displayName": "Planned"})
	}
	planned = save()
	if len(planned) != 4 {
		t.Fatalf("the plan has %q", planned)
	}
	s.dir.UpdateUser(ids[0], map[string]any{"displayName": "Changed since"})
	s.dir.UpdateUser(ids[1], map[string]any{"displayName": name})
	s.dir.UpdateUser(ids[4], map[string]any{"displayName": "Not planned"})
	account := func(id string) scimtest.Resource {
		t.Helper()
		r, ok := byExternalID(s.app.Users(), id)
		if !ok {
			t.Fatalf("no account of %s", id)
		}
		return r
	}
	there := account(ids[2])
	there.Attributes["displayName"] = "By hand"
	if err := s.app.Put(there.ID, there.Attributes); err != nil {
		t.Fatal(err)
	}
	out, errw := apply(3)
	var got []string
	for _, id := range ids[:5] {
		got = append(got, account(id).DisplayName)
	}
	if want := []string{got[0], got[1], "By hand", "Planned", got[4]}; !slices.Equal(want, got) || slices.Contains(got, "Changed since") || slices.Contains(got, "Not planned") {
		t.Errorf("the people are called %q", got)
	}
	if !strings.Contains(out, "3 of the 4 operations of the plan were not done") || !strings.Contains(errw, "1 change came up since the plan was made") {
		t.Errorf("what was not done is not told:\n%s\n%s", out, tail(errw))
	}
	s.once(0)
	s.inStep()
	s.quiet()

	// Three exchange their user names: all get them, or, when one is called otherwise by then, none has a name in between.
	exchange := func(n int) {
		truth := s.dir.Truth()
		for i, id := range ids[:n] {
			s.dir.UpdateUser(id, map[string]any{"userPrincipalName": fmt.Sprintf("nobody%d@example.test", i)})
		}
		for i, id := range ids[:n] {
			s.dir.UpdateUser(id, map[string]any{"userPrincipalName": truth.Users[ids[(i+1)%n]].Properties["userPrincipalName"]})
		}
	}
	exchange(3)
	if planned = save(); len(planned) != 3 {
		t.Fatalf("the plan has %q", planned)
	}
	apply(0)
	s.inStep()
	s.quiet()
	exchange(3)
	save()
	s.dir.UpdateUser(ids[0], map[string]any{"displayName": "Changed since, once more"})
	before := account(ids[0]).UserName
	apply(3)
	for _, id := range ids[:3] {
		if name := account(id).UserName; strings.Contains(name, ".renamed-") || id == ids[0] && name != before {
			t.Errorf("%s is called %s", id, name)
		}
	}
	s.once(0)
	s.inStep()
	s.quiet()

	// A plan by other rules is refused as a whole.
	s.dir.PassDay()
	save()
	s.write(strings.Replace(s.config, "deletions: {threshold: 0}", "deletions: {threshold: 0, skipOutOfScope: true}", 1))
	if _, errw := apply(2); !strings.Contains(errw, "changed since the plan was made") {
		t.Errorf("other options: %s", errw)
	}
	s.write(s.config)
	var doc map[string]any
	data, err := os.ReadFile(file)
	if err != nil || json.Unmarshal(data, &doc) != nil {
		t.Fatal(err)
	}
	doc["format"] = "something else"
	if data, err = json.Marshal(doc); err != nil || os.WriteFile(file, data, 0o600) != nil {
		t.Fatal(err)
	}
	if _, errw := apply(2); !strings.Contains(errw, "no plan that this version saved") {
		t.Errorf("another file: %s", errw)
	}
}

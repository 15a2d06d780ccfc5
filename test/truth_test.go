package test

import (
	"maps"
	"slices"
	"strings"

	"github.com/google/go-cmp/cmp"

	"github.com/scimsync/scimsync/connectors/msgraph/graphtest"
	"github.com/scimsync/scimsync/connectors/scim/scimtest"
)

// inStep compares the application with what the directory knows and the rules demand: who is
// entitled has one active account with the right fields; nobody else whose account we could have made is active; assigned groups exist with
// just the active members that they have in the directory, and no others. It knows nothing of the code under test but
// the default mapping, and of the past nothing at all: accounts of people who left may be there,
// inactive. Accounts without externalId are strangers and not looked at.
func (w *world) inStep() {
	w.t.Helper()
	if d := mismatch(w.dir.Truth(), w.app); d != "" {
		w.t.Fatalf("cycle %d: the application is not in step (-want +got):\n%s", w.cycles, d)
	}
}

// mismatch is what differs between a directory and an application; "" if nothing does.
func mismatch(truth graphtest.Truth, app *scimtest.Server) string {
	want, have := entitled(truth), map[string]account{}
	ids := map[string]string{} // of accounts, to those of their people
	var double []string
	for _, r := range app.Users() {
		if r.ExternalID == "" {
			continue
		}
		ids[r.ID] = r.ExternalID
		if !r.Active {
			continue
		}
		if _, again := have[r.ExternalID]; again {
			double = append(double, r.ExternalID)
		}
		have[r.ExternalID] = accountOf(r)
	}
	for id, a := range want { // what has no value is not written, and keeps what it had
		if got, ok := have[id]; ok {
			a.Display, a.Given, a.Family = or(a.Display, got.Display), or(a.Given, got.Given), or(a.Family, got.Family)
			want[id] = a
		}
	}
	groups := map[string]team{}
	for _, r := range app.Groups() {
		if r.ExternalID == "" {
			continue
		}
		if _, again := groups[r.ExternalID]; again {
			double = append(double, r.ExternalID)
		}
		g := team{Name: r.DisplayName}
		for _, m := range r.Members {
			if _, active := have[ids[m]]; active {
				g.Members = append(g.Members, ids[m])
			}
		}
		slices.Sort(g.Members)
		groups[r.ExternalID] = g
	}
	return cmp.Diff([]string(nil), double) + cmp.Diff(want, have) + cmp.Diff(teams(truth, want), groups)
}

// account is what the default mapping writes of a person. userName is not case exact (RFC 7643 section
// 4.1.1): it stands here in lower case.
type account struct{ UserName, Display, Given, Family string }

func accountOf(r scimtest.Resource) account {
	a := account{UserName: strings.ToLower(r.UserName), Display: r.DisplayName}
	a.Given, _ = r.Value("name.givenName").(string)
	a.Family, _ = r.Value("name.familyName").(string)
	return a
}

// entitled are the accounts that have to be active, by the id of the person.
func entitled(truth graphtest.Truth) map[string]account {
	out := map[string]account{}
	for id := range truth.Entitled {
		p := truth.Users[id].Properties
		if p["accountEnabled"] == false {
			continue
		}
		text := func(name string) string { s, _ := p[name].(string); return s }
		out[id] = account{strings.ToLower(principalName(text("userPrincipalName"))), text("displayName"), text("givenName"), text("surname")}
	}
	return out
}

// principalName is the name of a person as the mapping presents it: guests go by their own address.
func principalName(s string) string {
	if alias, _, guest := strings.Cut(s, "#EXT#"); guest {
		if i := strings.LastIndexByte(alias, '_'); i >= 0 {
			return alias[:i] + "@" + alias[i+1:]
		}
	}
	return s
}

// team is a group at the application, with the people whose accounts are active members.
type team struct {
	Name    string
	Members []string
}

// teams are the groups that have to be at the application, by id: those with an assignment that
// counts.
func teams(truth graphtest.Truth, people map[string]account) map[string]team {
	out := map[string]team{}
	for id, a := range truth.Assignments {
		g, is := truth.Groups[a.PrincipalID]
		if _, lapsed := truth.Lapsed[id]; lapsed || !is || g.SoftDeleted {
			continue
		}
		t := team{}
		t.Name, _ = g.Properties["displayName"].(string)
		for _, m := range slices.Sorted(maps.Keys(g.Members)) {
			if _, active := people[m]; active {
				t.Members = append(t.Members, m)
			}
		}
		out[a.PrincipalID] = t
	}
	return out
}

func or(s, other string) string {
	if s == "" {
		return other
	}
	return s
}

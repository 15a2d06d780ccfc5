package graphtest

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestTidyPopulation(t *testing.T) {
	t.Parallel()
	s, c := start(t, Options{Seed: 1, Settings: calm(), Population: Population{Users: 200, Groups: 20, Tidy: true}})
	truth := s.Truth()
	names := map[string]bool{}
	direct, bosses, former := 0, 0, 0
	for id, u := range truth.Users {
		if u.SoftDeleted {
			former++
			continue
		}
		name := u.Properties["userPrincipalName"].(string)
		if names[name] || !strings.HasSuffix(name, "@sandbox.example.test") {
			t.Errorf("principal name %q", name)
		}
		names[name] = true
		if u.Properties["department"] == nil || u.Properties["jobTitle"] == nil || u.Properties["displayName"] == nil {
			t.Errorf("%v", u.Properties)
		}
		if u.ManagerID == "" {
			bosses++
		}
		e, ok := truth.Entitled[id]
		if !ok {
			t.Errorf("%s is not entitled", name)
		}
		if e.Direct {
			direct++
		}
	}
	if len(names) != 200 || len(truth.Groups) != 20 || bosses != 1 || former != 1 || direct == 0 || direct > 100 || len(truth.Lapsed) != 0 {
		t.Errorf("%d users, %d groups, %d without manager, %d former, %d direct, lapsed %v", len(names), len(truth.Groups), bosses, former, direct, truth.Lapsed)
	}
	items, _ := c.drain("/v1.0/users/delta?$select=displayName")
	if len(items) != 200 {
		t.Errorf("%d users in the feed", len(items))
	}
}

// The rough population has all that a real directory has.
func TestRoughPopulation(t *testing.T) {
	t.Parallel()
	s := New(Options{Seed: 3, Population: Population{Users: 5000, Groups: 200}})
	truth := s.Truth()
	count := map[string]int{}
	for id, u := range truth.Users {
		p := u.Properties
		name, _ := p["displayName"].(string)
		upn := p["userPrincipalName"].(string)
		for what, is := range map[string]bool{
			"guest": p["userType"] == "Guest" && strings.Contains(upn, "#EXT#@"), "disabled": p["accountEnabled"] == false,
			"quoted": strings.Contains(name, `"`), "blank": name != strings.TrimSpace(name), "apostrophe": strings.Contains(name, "'"),
			"no department": p["department"] == nil, "no manager": u.ManagerID == "", "circle": truth.Users[u.ManagerID].ManagerID == id,
			"foreign address": !strings.Contains(upn, "example.test"),
		} {
			if is {
				count[what]++
			}
		}
	}
	memberships := 0
	for id, g := range truth.Groups {
		memberships += len(g.Members)
		for m, typ := range g.Members {
			switch {
			case typ == "#microsoft.graph.device", typ == "#microsoft.graph.servicePrincipal":
				count[typ]++
			case typ == "#microsoft.graph.group":
				count["nested"]++
				if truth.Groups[m].Members[id] != "" {
					count["short circle"]++
				}
			}
		}
		for what, is := range map[string]bool{"not security": g.Properties["securityEnabled"] == false, "unified": g.Properties["groupTypes"] != nil,
			"large": len(g.Members) > 1000, "small": len(g.Members) < 50} {
			if is {
				count[what]++
			}
		}
	}
	for _, why := range truth.Lapsed {
		count[why]++
	}
	for _, a := range truth.Assignments {
		if a.AppRoleID == ZeroRole {
			count["zero role"]++
		}
		count["assigned "+a.PrincipalType]++
	}
	for _, what := range []string{"guest", "disabled", "quoted", "blank", "apostrophe", "no department", "no manager", "circle",
		"#microsoft.graph.device", "#microsoft.graph.servicePrincipal", "nested", "not security", "unified", "large", "small",
		"service principal", "unknown role", "disabled role", "group is not security-enabled", "zero role", "assigned User", "assigned Group", "assigned ServicePrincipal"} {
		if count[what] == 0 {
			t.Errorf("none with %s: %v", what, count)
		}
	}
	if count["foreign address"] > 0 || memberships < 12_000 || memberships > 40_000 {
		t.Errorf("%d foreign addresses, %d memberships", count["foreign address"], memberships)
	}
}

// Populations of hardly anybody are made, and a day passes in them.
func TestSmallPopulations(t *testing.T) {
	for users := range 5 {
		for groups := range 4 {
			for _, tidy := range []bool{true, false} {
				s := New(Options{Seed: 1, Population: Population{Users: users, Groups: groups, Tidy: tidy}})
				if got := len(s.Truth().Users); got < users {
					t.Errorf("%d people of %d, tidy %t", got, users, tidy)
				}
				s.PassDay()
			}
		}
	}
}

func TestPassDay(t *testing.T) {
	t.Parallel()
	s, c := start(t, Options{Seed: 1, Settings: calm(), Population: Population{Users: 200, Groups: 20, Tidy: true}})
	_, link := c.drain("/v1.0/users/delta?$select=displayName,department,accountEnabled,userPrincipalName,deletedDateTime")
	before, was := s.Truth(), s.Now()
	happened := s.PassDay()
	kinds := map[string]int{}
	byID := map[string]string{}
	for _, h := range happened {
		kinds[h.Kind]++
		byID[h.ID] = h.Kind
		if h.Text == "" || h.ID == "" {
			t.Errorf("%+v", h)
		}
	}
	for _, k := range []string{"joiner", "mover", "leaver", "blocked", "unassigned", "rename", "restore", "newGroup", "groupRename", "memberAdded", "memberRemoved"} {
		if kinds[k] == 0 {
			t.Errorf("no %s in %v", k, happened)
		}
	}
	if s.Now().Sub(was) != 24*time.Hour {
		t.Errorf("the day took %v", s.Now().Sub(was))
	}
	after := s.Truth()
	for id, kind := range byID {
		switch u := after.Users[id]; kind {
		case "joiner":
			if _, entitled := after.Entitled[id]; !entitled || before.Users[id].Properties != nil {
				t.Errorf("joiner %+v entitled %v", u, entitled)
			}
		case "leaver":
			if !u.SoftDeleted {
				t.Errorf("leaver %+v", u)
			}
		case "restore":
			if u.SoftDeleted || !before.Users[id].SoftDeleted {
				t.Errorf("restored %+v", u)
			}
		case "blocked":
			if u.Properties["accountEnabled"] != false {
				t.Errorf("blocked %+v", u)
			}
		case "mover":
			if cmp.Equal(u.Properties["department"], before.Users[id].Properties["department"]) {
				t.Errorf("mover %+v", u)
			}
		}
	}
	items, _ := c.drain(link)
	for _, i := range items {
		if byID[i["id"].(string)] == "" {
			t.Errorf("%v changed without a happening", i)
		}
	}
	if len(items) < 7 {
		t.Errorf("%d changes in the feed", len(items))
	}
	for range 60 { // people run out of nothing, and the clock makes deletions final
		s.PassDay()
	}
	empty := New(Options{})
	empty.PassDay()
	if n := len(empty.Truth().Users); n != 2 {
		t.Errorf("%d joiners in an empty directory, want 2", n)
	}
}

func BenchmarkInitialRead(b *testing.B) {
	s, c := start(b, Options{Seed: 1, Population: Population{Users: 10_000, Groups: 500}})
	b.ResetTimer()
	for b.Loop() {
		for _, url := range []string{"/v1.0/users/delta?$select=accountEnabled,deletedDateTime,department,displayName,givenName,jobTitle,mail,surname,userPrincipalName,userType,manager",
			"/v1.0/groups/delta?$select=displayName,mailNickname,securityEnabled,deletedDateTime,members",
			"/v1.0/servicePrincipals/" + s.ServicePrincipalID() + "/appRoleAssignedTo?$top=999"} {
			for url != "" {
				r := c.bare(url)
				url = ""
				if _, rest, ok := strings.Cut(r, `"@odata.nextLink":"`); ok {
					url, _, _ = strings.Cut(rest, `"`)
				}
			}
		}
	}
}

func BenchmarkIdlePoll(b *testing.B) {
	for _, n := range []int{10_000, 100_000} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			s, c := start(b, Options{Seed: 1, Settings: calm(), Population: Population{Users: n, Groups: n / 100}})
			_, link := c.drain("/v1.0/users/delta?$select=displayName")
			s.Advance(time.Second)
			b.ResetTimer()
			for b.Loop() {
				c.bare(link)
			}
		})
	}
}

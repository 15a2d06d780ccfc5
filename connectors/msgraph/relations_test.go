package msgraph

import (
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/scimsync/scimsync/connectors/msgraph/graphtest"
	"github.com/scimsync/scimsync/engine"
)

func TestLargeGroupComesInSlices(t *testing.T) { // GS-GR-3
	t.Parallel()
	s := graphtest.Calm()
	s.GroupPage = 4
	w := sandbox(t, graphtest.Options{Seed: 1, Settings: &s})
	var members []string
	for i := range 10_000 {
		members = append(members, w.AddUser(graphtest.User{UserPrincipalName: fmt.Sprintf("u%d@example.test", i)}))
	}
	big := w.AddGroup(graphtest.Group{DisplayName: "all", Members: members})
	for i := range 10 {
		w.AddGroup(graphtest.Group{DisplayName: fmt.Sprint(i), Members: members[i*700 : i*700+700]})
	}
	device := w.AddDevice("printer")
	w.AddMember(big, device)
	pages, err := follow(t, w.src, engine.FeedGroups, "")
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]bool{}
	slices20 := 0
	for _, p := range pages {
		for _, o := range p.Objects {
			if o.ID == big {
				slices20++
			}
		}
		for _, e := range p.Edges {
			if e.From.ID == big && e.To.Kind == engine.User && !e.Removed {
				got[e.To.ID] = true
			}
			if e.To.ID == device {
				t.Error("a device is told as a member")
			}
		}
	}
	if slices20 < 20 {
		t.Errorf("the sandbox told the group in %d slices only", slices20)
	}
	slices.Sort(members)
	if diff := cmp.Diff(members, slices.Sorted(maps.Keys(got))); diff != "" {
		t.Errorf("members differ: %s", diff[:min(len(diff), 500)])
	}
}

func TestMemberToldBothWaysIsReadAgain(t *testing.T) { // GS-GR-8
	t.Parallel()
	item := func(removed string) string {
		return fmt.Sprintf(`{"id":%q,"members@delta":[{"@odata.type":"#microsoft.graph.user","id":%q%s}]}`, crew, mira, removed)
	}
	const out = `,"@removed":{"reason":"deleted"}`
	for _, is := range []bool{true, false} {
		for _, order := range [][2]string{{"", out}, {out, ""}} {
			var s *script
			src, s := scripted(t, func(n int, w http.ResponseWriter, r *http.Request) {
				switch {
				case n == 1:
					say(w, `{"value":[%s],"@odata.nextLink":"%s/groups/delta?$skiptoken=2"}`, item(order[0]), s.url)
				case n == 2:
					say(w, `{"value":[%s],"@odata.deltaLink":"%s/groups/delta?$deltatoken=3"}`, item(order[1]), s.url)
				case is:
					say(w, `{"value":[{"@odata.type":"#microsoft.graph.user","id":%q}]}`, mira)
				default:
					say(w, `{"value":[]}`)
				}
			})
			edges := mustFollow(t, src, engine.FeedGroups, "").Edges
			var live bool
			for _, e := range edges {
				if e.To == (engine.Ref{Kind: engine.User, ID: mira}) {
					live = !e.Removed
				}
			}
			if live != is {
				t.Errorf("told %q: the member is %v, got %v", order, is, live)
			}
			if got := s.requests(); len(got) != 3 || !strings.HasPrefix(got[2], "GET /v1.0/groups/"+crew+"/members?$select=id&$top=999") {
				t.Errorf("requests: %v", got)
			}
		}
	}
}

func TestMembersOfOtherTypes(t *testing.T) { // GS-GR-5
	t.Parallel()
	var s *script
	src, s := scripted(t, func(n int, w http.ResponseWriter, r *http.Request) {
		say(w, `{"value":[{"id":"g","securityEnabled":true,"members@delta":[
			{"@odata.type":"#microsoft.graph.user","id":"U"},{"@odata.type":"#microsoft.graph.group","id":"n"},
			{"@odata.type":"#microsoft.graph.device","id":"d"},{"@odata.type":"#microsoft.graph.servicePrincipal","id":"s"},
			{"id":"untyped"},{"id":"left","@removed":{"reason":"deleted"}}]}],"@odata.deltaLink":"%s/groups/delta?$deltatoken=1"}`, s.url)
	})
	from := engine.Ref{Kind: engine.Group, ID: "g"}
	edge := func(k engine.Kind, id string, removed bool) engine.Edge {
		return engine.Edge{From: from, Relation: engine.Member, To: engine.Ref{Kind: k, ID: id}, Removed: removed}
	}
	p := mustFollow(t, src, engine.FeedGroups, "")
	want := []engine.Edge{edge(engine.User, "u", false), edge(engine.Group, "n", false), edge(engine.User, "untyped", false),
		edge(engine.User, "left", true), edge(engine.Group, "left", true)}
	if diff := cmp.Diff(want, p.Edges); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if !p.Objects[0].Conveys {
		t.Error("a security group does not convey its assignment")
	}
}

func TestManagerChange(t *testing.T) { // GS-MN-1, GS-MN-2
	t.Parallel()
	user := func(id string) engine.Ref { return engine.Ref{Kind: engine.User, ID: id} }
	edge := func(id string, removed bool) engine.Edge {
		return engine.Edge{From: user(mira), Relation: engine.Manager, To: user(id), Removed: removed}
	}
	const ended = `,"@removed":{"reason":"deleted"}`
	for _, c := range []struct {
		name, items, confirmed string
		want                   []engine.Edge
		requests               int
	}{
		{"absent is no news", ``, "", nil, 1},
		{"a first manager", `{"id":"a"}`, "", []engine.Edge{edge("a", false)}, 1},
		{"new before old", `{"id":"b"},{"id":"a"` + ended + `}`, "", []engine.Edge{edge("b", false), edge("a", true)}, 1},
		{"old before new", `{"id":"a"` + ended + `},{"id":"b"}`, "", []engine.Edge{edge("a", true), edge("b", false)}, 1},
		{"ended and begun with the same", `{"id":"a"` + ended + `},{"id":"a"}`, "", []engine.Edge{edge("a", false)}, 1},
		{"ended", `{"id":"a"` + ended + `}`, "", []engine.Edge{edge("a", true)}, 1},
		{"two live ones", `{"id":"a"},{"id":"b"}`, "b", []engine.Edge{edge("a", false), edge("b", false), edge("a", true), edge("b", false)}, 2},
		{"two live ones, neither is", `{"id":"a"},{"id":"b"}`, "", []engine.Edge{edge("a", false), edge("b", false), edge("a", true), edge("b", true)}, 2},
	} {
		var s *script
		src, s := scripted(t, func(n int, w http.ResponseWriter, r *http.Request) {
			switch {
			case n > 1 && c.confirmed == "":
				fail(w, 404, "Request_ResourceNotFound")
			case n > 1:
				say(w, `{"@odata.type":"#microsoft.graph.user","id":%q}`, c.confirmed)
			case c.items == "":
				say(w, `{"value":[{"id":%q}],"@odata.deltaLink":"%s/users/delta?$deltatoken=1"}`, mira, s.url)
			default:
				say(w, `{"value":[{"id":%q,"manager@delta":[%s]}],"@odata.deltaLink":"%s/users/delta?$deltatoken=1"}`, mira, c.items, s.url)
			}
		})
		if diff := cmp.Diff(c.want, mustFollow(t, src, engine.FeedUsers, "").Edges); diff != "" {
			t.Errorf("%s (-want +got):\n%s", c.name, diff)
		}
		if got := s.requests(); len(got) != c.requests {
			t.Errorf("%s: requests %v", c.name, got)
		}
	}
}

package scim

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/scimsync/scimsync/connectors/scim/scimtest"
	"github.com/scimsync/scimsync/engine"
)

func membersTold(t *testing.T, c *Client, group string) (ids []string, complete bool, err error) {
	t.Helper()
	complete, err = c.Members(t.Context(), group, func(id string) error {
		ids = append(ids, id)
		return nil
	})
	return ids, complete, err
}

func listOf(from, to int) string {
	var out []string
	for i := from; i <= to; i++ {
		out = append(out, fmt.Sprintf(`{"value":"m%d"}`, i))
	}
	return strings.Join(out, ",")
}

func groupWith(members string) step { return ok(`{"id":"g","members":[` + members + `]}`) }

// 16.7: what a list of members is worth.
func TestMembersAreBelievedWhenNothingSpeaksAgainst(t *testing.T) {
	whole, part := true, false
	readable := func(v string) func(*Config) { return func(c *Config) { c.Members.Readable = v } }
	nobody := ok(`{"id":"g"}`)
	for _, c := range []struct {
		name   string
		change func(*Config)
		steps  []step
		told   []int  // members of each group in turn
		want   []bool // complete
	}{
		{"some", nil, []step{groupWith(listOf(1, 3))}, []int{3}, []bool{whole}},
		{"nobody, and nobody was ever seen", nil, []step{nobody, ok(`{"id":"g","members":[]}`)}, []int{0, 0}, []bool{part, part}},
		{"nobody, but others were seen", nil, []step{groupWith(listOf(1, 1)), nobody, ok(`{"id":"g","members":null}`)}, []int{1, 0, 0}, []bool{whole, whole, whole}},
		{"nobody, vouched for", readable("yes"), []step{nobody}, []int{0}, []bool{whole}},
		{"not readable", readable("no"), nil, []int{0}, []bool{part}},
		{"a round number that nothing exceeds", nil, []step{groupWith(listOf(1, 100)), groupWith(listOf(1, 500)), groupWith(listOf(1, 256))}, []int{100, 500, 256}, []bool{part, part, whole}},
		{"a power of two", nil, []step{groupWith(listOf(1, 64)), groupWith(listOf(1, 65)), groupWith(listOf(1, 64))}, []int{64, 65, 64}, []bool{part, whole, whole}},
		{"several groups cut at one length", nil, []step{groupWith(listOf(1, 33)), groupWith(listOf(4, 36)), groupWith(listOf(1, 9))}, []int{33, 33, 9}, []bool{whole, part, whole}},
		{"small groups of one size", nil, []step{groupWith(listOf(1, 2)), groupWith(listOf(4, 5))}, []int{2, 2}, []bool{whole, whole}},
		{"an entry that names nobody", nil, []step{groupWith(listOf(1, 3) + `,{"display":"x"}`)}, []int{3}, []bool{part}},
		{"in other forms", nil, []step{groupWith(`"a",{"Value":7},{"$ref":"https://x.example/scim/v2/Users/b"},{"value":"a","type":"User"}`),
			ok(`{"ID":"g","Members":{"value":"a"}}`), ok(list(`{"id":"g","members":[{"value":"a"}]}`))}, []int{3, 1, 1}, []bool{whole, whole, whole}},
		{"attributes are refused", nil, []step{refused(400, "invalidValue", "attributes"), groupWith(listOf(1, 3))}, []int{3}, []bool{whole}},
	} {
		cl, f := newFake(t, c.change, slices.Clone(c.steps)...)
		for i := range c.told {
			group := fmt.Sprint("g", i)
			f.mu.Lock()
			for j := range f.steps { // each group has an id of its own
				f.steps[j].body = strings.ReplaceAll(strings.ReplaceAll(c.steps[len(c.steps)-len(f.steps)+j].body, `"id":"g"`, `"id":"`+group+`"`), `"ID":"g"`, `"ID":"`+group+`"`)
			}
			f.mu.Unlock()
			ids, complete, err := membersTold(t, cl, group)
			if err != nil {
				t.Fatalf("%s: group %d: %v", c.name, i, err)
			}
			if len(ids) != c.told[i] || complete != c.want[i] {
				t.Errorf("%s: group %d: %d members, complete %t; want %d, %t", c.name, i, len(ids), complete, c.told[i], c.want[i])
			}
		}
		for i, line := range f.lines() {
			want := fmt.Sprintf("GET /scim/Groups/g%d?attributes=members", i)
			if c.name == "attributes are refused" {
				want = []string{"GET /scim/Groups/g0?attributes=members", "GET /scim/Groups/g0"}[i]
			}
			if line != want {
				t.Errorf("%s: request %s, want %s", c.name, line, want)
			}
		}
	}
}

func TestMembersThatCannotBeRead(t *testing.T) {
	for _, c := range []struct {
		name    string
		step    step
		outcome engine.Outcome
		code    engine.Code
	}{
		{"gone", refused(404, "", "no such group"), engine.OutcomeRematch, engine.CodeGone},
		{"another group", ok(`{"id":"h","members":[{"value":"a"}]}`), engine.OutcomeEscrow, engine.CodeBadResponse},
		{"no group", ok(`{"members":[{"value":"a"}]}`), engine.OutcomeEscrow, engine.CodeBadResponse},
		{"cut", ok(`{"id":"g","members":[{"value":"a"}`), engine.OutcomeEscrow, engine.CodeBadResponse},
		{"nothing", step{status: 204}, engine.OutcomeEscrow, engine.CodeBadResponse},
	} {
		cl, _ := newFake(t, nil, c.step)
		ids, complete, err := membersTold(t, cl, "g")
		if te, ok := errors.AsType[*engine.TargetError](err); !ok || te.Outcome != c.outcome || te.Code != c.code || len(ids) > 0 || complete {
			t.Errorf("%s: got %v, %t, %v", c.name, ids, complete, err)
		}
	}
	cl, _ := newFake(t, nil, groupWith(listOf(1, 9)))
	stop := errors.New("enough")
	if complete, err := cl.Members(t.Context(), "g", func(string) error { return stop }); !errors.Is(err, stop) || complete {
		t.Errorf("got %t, %v, want the error of yield", complete, err)
	}
}

// A group that is too large for one answer is read with less of each member, and else not at all.
func TestMembersOfHugeGroups(t *testing.T) {
	padded := ok(`{"id":"g","members":[{"value":"m1","display":"` + strings.Repeat("x", 4096) + `"}]}`)
	small := func(c *Config) { c.Limits.BodyBytes = 2048 }
	cl, f := newFake(t, small, padded, groupWith(listOf(1, 3)))
	ids, complete, err := membersTold(t, cl, "g")
	noError(t, err)
	if len(ids) != 3 || !complete || f.lines()[1] != "GET /scim/Groups/g?attributes=members.value" {
		t.Errorf("got %v, %t after %v", ids, complete, f.lines())
	}
	cl, _ = newFake(t, small, padded, padded)
	if ids, complete, err = membersTold(t, cl, "g"); err != nil || len(ids) > 0 || complete {
		t.Errorf("got %v, %t, %v", ids, complete, err)
	}
	start := time.Now()
	cl, _ = newFake(t, nil, groupWith(listOf(1, 150_001)))
	if ids, complete, err = membersTold(t, cl, "g"); err != nil || len(ids) != 150_001 || !complete {
		t.Errorf("got %d, %t, %v in %v", len(ids), complete, err, time.Since(start))
	}
}

// Members of a real application with the habits of 16.7.
func TestSandboxMembers(t *testing.T) {
	const n = 250
	for name, o := range map[string]struct {
		quirks scimtest.Quirks
		told   int
		whole  bool
	}{
		"plain":             {told: n + 1, whole: true},
		"hidden":            {quirks: scimtest.Quirks{HideMembers: true}},
		"cut":               {quirks: scimtest.Quirks{MemberReadLimit: 100}, told: 100},
		"cut far above":     {quirks: scimtest.Quirks{MemberReadLimit: 500}, told: n + 1, whole: true},
		"lower case":        {quirks: scimtest.Quirks{LowerKeys: true}, told: n + 1, whole: true},
		"ids of a counter":  {quirks: scimtest.Quirks{NumericIDs: true}, told: n + 1, whole: true},
		"shows all in full": {quirks: scimtest.Quirks{IgnoreExcluded: true}, told: n + 1, whole: true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c, w := openSandbox(t, scimtest.Options{Quirks: o.quirks}, "", nil)
			group := w.Add(engine.Group, map[string]any{"displayName": "crew"})
			var want []string
			for i := range n {
				want = append(want, w.Add(engine.User, map[string]any{"userName": fmt.Sprint("u", i)}))
			}
			want = append(want, w.Add(engine.Group, map[string]any{"displayName": "inner"}))
			if _, err := c.AddMembers(t.Context(), group, want); err != nil {
				t.Fatal(err)
			}
			ids, complete, err := membersTold(t, c, group)
			noError(t, err)
			if len(ids) != o.told || complete != o.whole {
				t.Errorf("%d members, complete %t; want %d, %t", len(ids), complete, o.told, o.whole)
			}
			for _, id := range ids {
				if !slices.Contains(want, id) {
					t.Errorf("%s is no member", id)
				}
			}
		})
	}
}

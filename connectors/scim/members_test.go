package scim

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"

	"go.uber.org/zap"

	"github.com/scimsync/scimsync/connectors/scim/scimtest"
	"github.com/scimsync/scimsync/engine"
)

func numbered(n int) []string {
	out := make([]string, n)
	for i := range out {
		out[i] = fmt.Sprintf("u%03d", i)
	}
	return out
}

// memberOps reads what a PATCH asks for: the ids, and whether it removes.
func memberOps(t *testing.T, body string) (ids []string, word string) {
	t.Helper()
	var doc struct {
		Operations []struct {
			Op, Path string
			Value    []struct{ Value string }
		}
	}
	if err := json.Unmarshal([]byte(body), &doc); err != nil {
		t.Fatalf("%v in %s", err, body)
	}
	for _, o := range doc.Operations {
		word = strings.ToLower(o.Op)
		if rest, ok := strings.CutPrefix(o.Path, `members[value eq "`); ok {
			ids = append(ids, strings.TrimSuffix(rest, `"]`))
		}
		for _, v := range o.Value {
			ids = append(ids, v.Value)
		}
	}
	return ids, word
}

func failedMembers(answers map[string]error) []string {
	var out []string
	for id, err := range answers {
		if err != nil {
			out = append(out, id)
		}
	}
	slices.Sort(out)
	return out
}

func Test54Batches(t *testing.T) {
	c, f := newFake(t, nil, done, done, done)
	answers, err := c.AddMembers(t.Context(), "g1", numbered(250))
	noError(t, err)
	if len(answers) != 250 || len(failedMembers(answers)) > 0 {
		t.Errorf("%d answers, %d failed", len(answers), len(failedMembers(answers)))
	}
	var sizes []int
	for _, s := range f.sent() {
		ids, word := memberOps(t, s.body)
		sizes = append(sizes, len(ids))
		if word != "add" || s.line() != "PATCH /scim/Groups/g1" {
			t.Errorf("%s with %s", s.line(), word)
		}
	}
	if !slices.Equal(sizes, []int{100, 100, 50}) {
		t.Errorf("batches of %v", sizes)
	}
	// Long ids make smaller batches: a body stays below half a megabyte.
	long := make([]string, 100)
	for i := range long {
		long[i] = fmt.Sprintf("%03d", i) + strings.Repeat("x", 9000)
	}
	c, f = newFake(t, nil, done, done)
	_, err = c.AddMembers(t.Context(), "g1", long)
	noError(t, err)
	for _, s := range f.sent() {
		if len(s.body) > maxMemberBody {
			t.Errorf("a body of %d bytes", len(s.body))
		}
	}
}

func Test55OneUnknownMember(t *testing.T) {
	for _, status := range []int{400, 404, 422, 500} {
		c, f := newFake(t, nil)
		asked := 0
		f.rest = func(s seen) step {
			switch {
			case s.method == "GET" && strings.HasPrefix(s.uri, "/scim/Groups/g1"):
				return ok(`{"id":"g1"}`)
			case s.method == "GET":
				asked++
				return refused(404, "", "no")
			case strings.Contains(s.body, "u042"):
				return refused(status, "", "unknown member")
			}
			return done
		}
		answers, err := c.AddMembers(t.Context(), "g1", numbered(100))
		noError(t, err)
		if got := failedMembers(answers); !slices.Equal(got, []string{"u042"}) {
			t.Fatalf("%d: failed: %v", status, got)
		}
		wantError(t, answers["u042"], engine.OutcomeRematch, engine.CodeGone)
		if asked != 2 { // as user and as group
			t.Errorf("%d: the member was looked for %d times, want twice", status, asked)
		}
		if n := len(f.sent()); n > 2*8+4 {
			t.Errorf("%d: %d requests to single one of a hundred out", status, n)
		}
	}
	// A member that exists and is refused all the same.
	c, f := newFake(t, nil)
	f.rest = func(s seen) step {
		if s.method == "GET" {
			return ok(`{"id":"u001"}`)
		}
		if strings.Contains(s.body, "u001") {
			return refused(400, "invalidValue", "not this one")
		}
		return done
	}
	answers, err := c.AddMembers(t.Context(), "g1", numbered(4))
	noError(t, err)
	if got := failedMembers(answers); !slices.Equal(got, []string{"u001"}) {
		t.Fatalf("failed: %v", got)
	}
	wantError(t, answers["u001"], engine.OutcomeEscrowRef, engine.CodeUnprocessable)
}

func TestAllMembersRefusedCostsLittle(t *testing.T) {
	c, f := newFake(t, nil)
	f.rest = func(s seen) step {
		if s.method == "GET" {
			return ok(`{"id":"` + s.uri[strings.LastIndexByte(s.uri, '/')+1:] + `"}`)
		}
		return refused(400, "invalidValue", "no")
	}
	answers, err := c.AddMembers(t.Context(), "g1", numbered(100))
	noError(t, err)
	if got := len(failedMembers(answers)); got != 100 {
		t.Errorf("%d failed, want all", got)
	}
	if n := len(f.sent()); n > 30 {
		t.Errorf("%d requests for a group that takes no members", n)
	}
}

func Test56SmallerBatchesAreRemembered(t *testing.T) {
	c, f := newFake(t, nil)
	f.rest = func(s seen) step {
		if ids, _ := memberOps(t, s.body); len(ids) > 30 {
			return refused(413, "", "too large")
		}
		return done
	}
	answers, err := c.AddMembers(t.Context(), "g1", numbered(100))
	noError(t, err)
	if got := failedMembers(answers); len(got) > 0 {
		t.Errorf("failed: %v", got)
	}
	before := len(f.sent())
	_, err = c.AddMembers(t.Context(), "g2", numbered(50))
	noError(t, err)
	for _, s := range f.sent()[before:] {
		if ids, _ := memberOps(t, s.body); len(ids) > 30 {
			t.Errorf("a batch of %d after 413", len(ids))
		}
	}
}

// group is a group that a fake server keeps, with a way to misread removals.
type group struct {
	t        *testing.T
	mu       sync.Mutex
	members  []string
	wipes    bool // a value list removes all
	ignores  bool // a value list removes nothing
	noFilter bool
	hidden   bool // members are not shown
}

func (g *group) answer(s seen) step {
	g.mu.Lock()
	defer g.mu.Unlock()
	if s.method == "GET" {
		if strings.Contains(s.uri, "excludedAttributes") {
			return ok(`{"id":"g1"}`)
		}
		if g.hidden {
			return ok(`{"id":"g1","members":[]}`)
		}
		var list []string
		for _, id := range g.members {
			list = append(list, `{"value":"`+id+`"}`)
		}
		return ok(`{"id":"g1","members":[` + strings.Join(list, ",") + `]}`)
	}
	ids, word := memberOps(g.t, s.body)
	byFilter := strings.Contains(s.body, "members[")
	if len(ids) == 0 {
		g.t.Errorf("a change of members that names nobody: %s", s.body)
	}
	switch {
	case word == "add":
		for _, id := range ids {
			if !slices.Contains(g.members, id) {
				g.members = append(g.members, id)
			}
		}
	case byFilter && g.noFilter:
		return refused(400, "invalidPath", "filters are not supported")
	case !byFilter && g.wipes:
		g.members = nil
	case !byFilter && g.ignores:
	default:
		g.members = slices.DeleteFunc(g.members, func(id string) bool { return slices.Contains(ids, id) })
	}
	return done
}

func newGroup(t *testing.T, g *group, change func(*Config)) (*Client, *fake) {
	g.t, g.members = t, numbered(6)
	c, f := newFake(t, change)
	f.rest = g.answer
	return c, f
}

func Test57ValueListThatWipes(t *testing.T) {
	g := &group{wipes: true}
	c, f := newGroup(t, g, nil)
	_, err := c.RemoveMembers(t.Context(), "g1", []string{"u001", "u002"})
	te := wantError(t, err, engine.OutcomeQuarantine, engine.CodeMembersWiped)
	if !strings.Contains(te.Detail, "members.removeStyle: filter") {
		t.Errorf("got %q, want what to do about it", te.Detail)
	}
	if got := slices.Sorted(slices.Values(g.members)); !slices.Equal(got, []string{"u000", "u003", "u004", "u005"}) {
		t.Errorf("left: %v, want all but those two", got)
	}
	if f.log.FilterLevelExact(zap.ErrorLevel).Len() == 0 {
		t.Error("nothing was logged")
	}
	// From now on by filter, without another test.
	before := len(f.sent())
	_, err = c.RemoveMembers(t.Context(), "g1", []string{"u003"})
	noError(t, err)
	if got := f.sent()[before:]; len(got) != 1 || !strings.Contains(got[0].body, "members[value eq") {
		t.Errorf("got:\n%s", f.list())
	}
}

func TestValueListIsTestedOnce(t *testing.T) {
	g := &group{}
	c, f := newGroup(t, g, nil)
	_, err := c.RemoveMembers(t.Context(), "g1", []string{"u001", "u002"})
	noError(t, err)
	_, err = c.RemoveMembers(t.Context(), "g1", []string{"u003", "u004"})
	noError(t, err)
	if !slices.Equal(g.members, []string{"u000", "u005"}) {
		t.Errorf("left: %v", g.members)
	}
	want := []string{"GET", "PATCH", "GET", "PATCH", "PATCH"} // look, one, look, the other; then both
	var got []string
	for _, s := range f.sent() {
		got = append(got, s.method)
	}
	if !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}

func TestValueListThatDoesNothing(t *testing.T) {
	g := &group{ignores: true}
	c, _ := newGroup(t, g, nil)
	_, err := c.RemoveMembers(t.Context(), "g1", []string{"u001", "u002"})
	noError(t, err)
	if !slices.Equal(g.members, []string{"u000", "u003", "u004", "u005"}) {
		t.Errorf("left: %v", g.members)
	}
}

func Test58FilterRefused(t *testing.T) {
	auto := func(cfg *Config) { cfg.Profile, cfg.Members.RemoveStyle = RFC7644, "auto" }
	g := &group{noFilter: true}
	c, _ := newGroup(t, g, auto)
	_, err := c.RemoveMembers(t.Context(), "g1", []string{"u001", "u002"})
	noError(t, err)
	if !slices.Equal(g.members, []string{"u000", "u003", "u004", "u005"}) {
		t.Errorf("left: %v", g.members)
	}
	// Both forms are useless: nobody is removed, and nobody else either.
	g = &group{noFilter: true, wipes: true}
	c, _ = newGroup(t, g, auto)
	_, err = c.RemoveMembers(t.Context(), "g1", []string{"u001"})
	wantError(t, err, engine.OutcomeQuarantine, engine.CodeMembersWiped)
	g.members = numbered(6)
	answers, err := c.RemoveMembers(t.Context(), "g1", []string{"u001"})
	noError(t, err)
	if te, ok := answers["u001"].(*engine.TargetError); !ok || te.Outcome != engine.OutcomeEscrowRef || len(g.members) != 6 {
		t.Errorf("got %v with %d members left", answers["u001"], len(g.members))
	}
	// A profile that does not know the value list never sends it.
	g = &group{noFilter: true}
	c, f := newGroup(t, g, rfc)
	answers, err = c.RemoveMembers(t.Context(), "g1", []string{"u001"})
	noError(t, err)
	if len(failedMembers(answers)) != 1 {
		t.Errorf("got %v", answers)
	}
	for _, s := range f.sent() {
		if s.method == "PATCH" && !strings.Contains(s.body, "members[") {
			t.Errorf("sent %s", s.body)
		}
	}
}

func TestMembersThatAreNotShown(t *testing.T) {
	g := &group{hidden: true}
	c, f := newGroup(t, g, nil)
	for i := range 5 {
		_, err := c.RemoveMembers(t.Context(), "g1", []string{fmt.Sprintf("u%03d", i)})
		noError(t, err)
	}
	if !slices.Equal(g.members, []string{"u005"}) {
		t.Errorf("left: %v", g.members)
	}
	reads := 0
	for _, s := range f.sent() {
		switch {
		case s.method == "GET":
			reads++
		case !strings.Contains(s.body, "members["):
			t.Errorf("sent %s without a test", s.body)
		}
	}
	if reads != unclearUpTo {
		t.Errorf("%d reads, want %d", reads, unclearUpTo)
	}
	// Neither shown nor filtered: the value list is all there is, with a warning.
	g = &group{hidden: true, noFilter: true}
	c, f = newGroup(t, g, func(cfg *Config) { cfg.Members.Readable = "no" })
	_, err := c.RemoveMembers(t.Context(), "g1", []string{"u001"})
	noError(t, err)
	if slices.Contains(g.members, "u001") || f.log.FilterLevelExact(zap.WarnLevel).Len() == 0 {
		t.Errorf("left: %v, warnings %v", g.members, f.log.All())
	}
}

func Test59AbsentAndPresentMembers(t *testing.T) {
	exists := ok(`{"id":"g1"}`)
	for _, c := range []struct {
		name   string
		remove bool
		steps  []step
	}{
		{"noTarget", true, []step{refused(400, "noTarget", "not a member"), exists}},
		{"404 and the group is there", true, []step{refused(404, "", "no"), exists}},
		{"409 on a removal", true, []step{refused(409, "", "no"), exists}},
		{"409 already a member", false, []step{refused(409, "", "already a member"), exists}},
	} {
		cl, _ := newFake(t, rfc, c.steps...)
		call := cl.AddMembers
		if c.remove {
			call = cl.RemoveMembers
		}
		answers, err := call(t.Context(), "g1", []string{"u1"})
		noError(t, err)
		if answers["u1"] != nil {
			t.Errorf("%s: got %v, want success", c.name, answers["u1"])
		}
	}
	cl, _ := newFake(t, rfc, refused(404, "", "no"), refused(404, "", "no"))
	_, err := cl.RemoveMembers(t.Context(), "g1", []string{"u1"})
	wantError(t, err, engine.OutcomeRematch, engine.CodeGone)
}

func Test60HiddenMembersChangeNothing(t *testing.T) {
	c, w := openSandbox(t, scimtest.Options{Quirks: scimtest.Quirks{HideMembers: true}}, "", nil)
	ids := []string{w.Add(engine.User, map[string]any{"userName": "a"}), w.Add(engine.User, map[string]any{"userName": "b"})}
	made, err := c.Create(t.Context(), engine.Group, []engine.Value{val("displayName", "g")}, nil)
	noError(t, err)
	c.TakeRequests()
	_, err = c.AddMembers(t.Context(), made.ID, ids)
	noError(t, err)
	if n := c.TakeRequests().Sent; n != 1 {
		t.Errorf("%d requests to add two members, want one: reads prove nothing", n)
	}
}

func Test62OneGroupOneWriteAtATime(t *testing.T) {
	for _, serial := range []bool{false, true} {
		c, f := newFake(t, func(cfg *Config) { cfg.SerialGroups = serial })
		var mu sync.Mutex
		under, most := map[string]int{}, map[string]int{}
		f.rest = func(s seen) step {
			return step{do: func(w http.ResponseWriter, r *http.Request) {
				for _, key := range []string{s.uri, "all"} {
					mu.Lock()
					under[key]++
					most[key] = max(most[key], under[key])
					mu.Unlock()
				}
				w.WriteHeader(204)
				mu.Lock()
				under[s.uri]--
				under["all"]--
				mu.Unlock()
			}}
		}
		var wg sync.WaitGroup
		for i := range 40 {
			wg.Go(func() {
				if _, err := c.AddMembers(t.Context(), fmt.Sprintf("g%d", i%4), []string{fmt.Sprint(i)}); err != nil {
					t.Error(err)
				}
			})
		}
		wg.Wait()
		for uri, n := range most {
			if uri != "all" && n > 1 || serial && n > 1 {
				t.Errorf("%d writes to %s at once", n, uri)
			}
		}
	}
}

func Test63GroupTooLargeToRead(t *testing.T) {
	big := `{"id":"g1","displayName":"x","members":[` + strings.Repeat(`{"value":"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"},`, 500) + `{"value":"b"}]}`
	c, f := newFake(t, func(cfg *Config) { cfg.Limits.BodyBytes = 4096 }, ok(big), ok(`{"id":"g1","displayName":"x"}`))
	r, err := c.Get(t.Context(), engine.Group, "g1")
	noError(t, err)
	if r.Attributes["displayName"] != "x" {
		t.Errorf("got %v", r.Attributes)
	}
	if got := f.lines()[1]; got != "GET /scim/Groups/g1?attributes=id,externalId,displayName" {
		t.Errorf("got %s", got)
	}
}

func Test100FilterPathsOffDoesNotTouchMembers(t *testing.T) {
	g := &group{}
	c, f := newGroup(t, g, func(cfg *Config) { cfg.Profile, cfg.Capabilities.FilterPaths = RFC7644, new(false) })
	_, err := c.RemoveMembers(t.Context(), "g1", []string{"u001"})
	noError(t, err)
	if got := f.sent(); len(got) != 1 || !strings.Contains(got[0].body, "members[value eq") {
		t.Errorf("got:\n%s", f.list())
	}
}

func TestGroupsThatCannotBePatched(t *testing.T) {
	for _, status := range []int{403, 405, 501} {
		c, f := newFake(t, nil)
		f.rest = func(seen) step { return refused(status, "", "no") }
		answers, err := c.AddMembers(t.Context(), "g1", numbered(250))
		noError(t, err)
		if n := len(failedMembers(answers)); n != 250 {
			t.Errorf("%d: %d failed, want all", status, n)
		}
		if n := len(f.sent()); n > 2 {
			t.Errorf("%d: %d requests, want the refusal to be taken at its word", status, n)
		}
		if te := answers["u000"].(*engine.TargetError); te.Outcome != engine.OutcomeEscrowRef {
			t.Errorf("%d: got %s", status, te.Outcome)
		}
	}
}

func TestMembersWithoutAnId(t *testing.T) {
	c, f := newFake(t, nil, done)
	answers, err := c.AddMembers(t.Context(), "g1", []string{"", "u1", "u1"})
	noError(t, err)
	if !slices.Equal(failedMembers(answers), []string{""}) || len(f.sent()) != 1 {
		t.Errorf("got %v with %d requests", answers, len(f.sent()))
	}
	if ids, _ := memberOps(t, f.sent()[0].body); !slices.Equal(ids, []string{"u1"}) {
		t.Errorf("sent %v", ids)
	}
}

package scim

import (
	"slices"
	"strings"
	"testing"

	"github.com/scimsync/scimsync/engine"
)

// TestStrictMembers adds members at servers that take RFC 7644's shapes only and say little about why they
// refuse others.
func TestStrictMembers(t *testing.T) {
	bare := step{status: 400}
	noRef := refused(400, "invalidValue", "$ref must not be null")
	vague := refused(400, "", "the request is not valid")
	for _, c := range []struct {
		name   string
		script []step
		last   string // of the bodies
	}{
		{"bare status", []step{bare, done}, `{"op":"add","path":"members","value":[{"$ref":null,"value":"u1"},{"$ref":null,"value":"u2"}]}`},
		{"reference", []step{noRef, done}, `{"op":"Add","path":"members","value":[{"value":"u1"},{"value":"u2"}]}`},
		{"both", []step{bare, noRef, done}, `{"op":"add","path":"members","value":[{"value":"u1"},{"value":"u2"}]}`},
		{"no word", []step{vague, vague, done}, `{"op":"add","path":"members","value":[{"value":"u1"},{"value":"u2"}]}`},
		// It was a member: the other goes out as it would have gone out before.
		{"a member", []step{vague, vague, vague, vague, ok(noorJSON), done}, `{"op":"Add","path":"members","value":[{"$ref":null,"value":"u2"}]}`},
	} {
		client, f := newFake(t, nil, c.script...)
		answers, err := client.AddMembers(t.Context(), "g1", []string{"u1", "u2"})
		noError(t, err)
		if bad := failedMembers(answers); len(bad) > 0 != (c.name == "a member") {
			t.Errorf("%s: %v failed", c.name, bad)
		}
		if got := f.sent(); !strings.Contains(got[len(got)-1].body, c.last) {
			t.Errorf("%s: sent %s, want %s", c.name, got[len(got)-1].body, c.last)
		}
	}
}

// TestStrictGroup creates a group at a server that refuses a schema that it does not know without naming it.
func TestStrictGroup(t *testing.T) {
	c, f := newFake(t, nil, refused(400, "", "The request body is not valid"), created(`{"id":"g1"}`))
	_, err := c.Create(t.Context(), engine.Group, []engine.Value{val("displayName", "Pilots")}, nil)
	noError(t, err)
	if got := f.sent(); len(got) != 2 || strings.Contains(got[1].body, adGroupURN) || !strings.Contains(got[0].body, adGroupURN) {
		t.Errorf("sent %d requests, the last %s", len(got), got[len(got)-1].body)
	}
}

// TestGroupWithQuotes finds out by a listing what an empty answer to a search does not tell (9.4, 9.7).
func TestGroupWithQuotes(t *testing.T) {
	odd := []engine.Value{val("displayName", `Team "Blue"`)}
	there := `{"id":"g7","displayName":"team \"blue\""}`
	for _, c := range []struct {
		name   string
		script []step
		want   string // id; "" for none
		code   engine.Code
	}{
		{"absent", []step{none, ok(list(`{"id":"g1","displayName":"Team"}`))}, "", ""},
		{"there all the same", []step{none, ok(list(there))}, "g7", ""},
		{"refused and absent", []step{refused(400, "invalidFilter", "cannot parse"), none}, "", ""},
		{"no listing", []step{none, refused(403, "", "no")}, "", engine.CodeFilterUnsupported},
		{"listing cut short", []step{none, ok(`{"totalResults":9,"Resources":[{"id":"g1","displayName":"Team"}]}`), ok(`{"totalResults":9,"Resources":[]}`)}, "", engine.CodeFilterUnsupported},
	} {
		client, _ := newFake(t, nil, c.script...)
		found, _, err := client.Find(t.Context(), engine.Group, odd)
		if c.code != "" {
			wantError(t, err, engine.OutcomeEscrow, c.code)
			continue
		}
		noError(t, err)
		if (len(found) == 0) != (c.want == "") || len(found) > 0 && found[0].ID != c.want {
			t.Errorf("%s: found %v, want %q", c.name, found, c.want)
		}
	}
}

// TestLimitLearned changes members at servers that refuse more than so many at once with a plain 400: after the
// first halving they get as many as they take, and a member that is refused for itself teaches nothing.
func TestLimitLearned(t *testing.T) {
	tooMany := refused(400, "invalidValue", "too many values")
	c, f := newFake(t, func(cfg *Config) { cfg.Profile = RFC7644 }, tooMany, done, done, done, done, done, done)
	for _, n := range []int{100, 100} {
		answers, err := c.AddMembers(t.Context(), "g1", numbered(n))
		noError(t, err)
		if bad := failedMembers(answers); len(bad) > 0 {
			t.Fatalf("%v failed", bad)
		}
	}
	_, err := c.RemoveMembers(t.Context(), "g1", numbered(100)) // has a limit of its own
	noError(t, err)
	_, err = c.AddMembers(t.Context(), "g2", numbered(30))
	noError(t, err)
	var sizes []int
	for _, s := range f.sent() {
		ids, _ := memberOps(t, s.body)
		sizes = append(sizes, len(ids))
	}
	if want := []int{100, 50, 50, 50, 50, 100, 30}; !slices.Equal(sizes, want) {
		t.Errorf("batches of %v, want %v", sizes, want)
	}

	unknown := refused(400, "invalidValue", "no such user")
	c, f = newFake(t, func(cfg *Config) { cfg.Profile = RFC7644 }, unknown, done, unknown, ok(noorJSON), done)
	answers, err := c.AddMembers(t.Context(), "g1", numbered(2))
	noError(t, err)
	if bad := failedMembers(answers); len(bad) != 1 {
		t.Fatalf("%v failed, want one", bad)
	}
	_, err = c.AddMembers(t.Context(), "g2", numbered(2))
	noError(t, err)
	if ids, _ := memberOps(t, f.sent()[4].body); len(ids) != 2 {
		t.Errorf("a batch of %d after one bad member", len(ids))
	}
}

// TestRepairsTogether disables people at a server that takes neither capitalised operations nor texts for
// booleans and complains about one at a time, in either order and with or without words.
func TestRepairsTogether(t *testing.T) {
	boolean, operation := refused(400, "invalidValue", "active must be a boolean"), refused(400, "invalidSyntax", "op Replace is not a valid choice")
	const good = `PATCH [{"op":"replace","path":"active","value":false}]`
	leave := func(t *testing.T, c *Client, id string) {
		t.Helper()
		_, err := c.Update(t.Context(), engine.User, id, []engine.AttributeChange{disable})
		noError(t, err)
	}
	last := func(t *testing.T, f *fake) {
		t.Helper()
		got := f.sent()
		if s := "PATCH " + operations(got[len(got)-1].body); s != good {
			t.Errorf("sent %s, want %s", s, good)
		}
	}
	t.Run("both are learned by the second", func(t *testing.T) {
		c, f := newFake(t, nil, boolean, operation, inactive("a"), boolean, operation, inactive("b"), inactive("c"))
		for _, id := range []string{"a", "b", "c"} {
			leave(t, c, id)
		}
		last(t, f)
	})
	t.Run("only the operation is left", func(t *testing.T) {
		c, f := newFake(t, func(cfg *Config) { cfg.User.ActiveEncoding = "bool" }, operation, inactive("a"))
		leave(t, c, "a")
		last(t, f)
	})
	t.Run("led astray by a bare refusal", func(t *testing.T) {
		c, f := newFake(t, func(cfg *Config) { cfg.User.ActiveEncoding = "bool" }, refused(400, "invalidSyntax", ""), refused(400, "invalidSyntax", ""), boolean, inactive("a"))
		leave(t, c, "a")
		last(t, f)
	})
}

// operations is what a PATCH asks for.
func operations(body string) string {
	_, ops, _ := strings.Cut(body, `"Operations":`)
	return strings.TrimSuffix(ops, "}")
}

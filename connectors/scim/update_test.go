package scim

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/scimsync/scimsync/engine"
)

const id = "48c1"

var (
	done    = step{status: 204}
	rename  = chg("userName", "noor", "0-noor")
	promote = chg("title", "Pilot", "Captain")
	disable = chg("active", true, false)
)

func bodies(f *fake) []string {
	var out []string
	for _, s := range f.sent() {
		b := s.body
		if i := strings.Index(b, `"Operations":`); i >= 0 {
			b = b[i+len(`"Operations":`) : len(b)-1]
		}
		out = append(out, strings.TrimSpace(s.method+" "+b))
	}
	return out
}

func wantBodies(t *testing.T, f *fake, want ...string) {
	t.Helper()
	if d := cmp.Diff(want, bodies(f)); d != "" {
		t.Errorf("requests (-want +got):\n%s", d)
	}
}

func upd(t *testing.T, c *Client, changes ...engine.AttributeChange) (engine.Updated, error) {
	t.Helper()
	return c.Update(t.Context(), engine.User, id, changes)
}

func rfc(cfg *Config) { cfg.Profile = RFC7644 }

func Test40AbsentElementIsAddedWhole(t *testing.T) {
	mail := chg(workMail, nil, "x@y.example")
	c, f := newFake(t, nil, refused(400, "noTarget", "no such element"), done)
	_, err := upd(t, c, mail)
	noError(t, err)
	wantBodies(t, f, `PATCH [{"op":"Add","path":"emails[type eq \"work\"].value","value":"x@y.example"}]`,
		`PATCH [{"op":"Add","path":"emails","value":[{"type":"work","value":"x@y.example"}]}]`)
}

func Test41DottedKeysStoredLiterally(t *testing.T) {
	literal := ok(`{"id":"48c1","name.givenName":"Ida","title":"Captain"}`)
	c, f := newFake(t, func(cfg *Config) { cfg.BaseURL += "?aadOptscim062020" }, literal, done, literal, done, done)
	for i := range 3 { // learned after two objects
		_, err := c.Update(t.Context(), engine.User, fmt.Sprint(i), []engine.AttributeChange{promote, chg("name.givenName", "Noor", "Ida")})
		noError(t, err)
	}
	merged := `PATCH [{"op":"replace","value":{"title":"Captain","name.givenName":"Ida"}}]`
	apart := `PATCH [{"op":"replace","path":"title","value":"Captain"},{"op":"replace","path":"name.givenName","value":"Ida"}]`
	wantBodies(t, f, merged, apart, merged, apart, apart)
}

func TestPathlessRefused(t *testing.T) {
	c, f := newFake(t, func(cfg *Config) { cfg.BaseURL += "?aadOptscim062020" }, refused(400, "invalidPath", "path is required"), done)
	_, err := upd(t, c, promote, chg("nickName", "a", "b"))
	noError(t, err)
	if got := bodies(f); strings.Contains(got[1], `"value":{`) {
		t.Errorf("got %s", got[1])
	}
}

func Test42OneImmutableAttributeOfFive(t *testing.T) {
	five := []engine.AttributeChange{promote, chg("nickName", "a", "b"), chg("externalId", "e1", "e2"), chg("name.givenName", "c", "d"), chg(department, "e", "f")}
	c, f := newFake(t, nil, refused(400, "mutability", "Attribute externalId is immutable"), done, done)
	for range 2 { // the second time it is known
		got, err := upd(t, c, five...)
		te := wantError(t, err, engine.OutcomeSkip, engine.CodeSchemaAttribute)
		if !strings.Contains(te.Detail, "externalId") || len(te.Applied) != 4 || slices.Contains(te.Applied, "externalid") {
			t.Errorf("got %q, applied %v", te.Detail, te.Applied)
		}
		if got.Now["externalid"] != "e1" {
			t.Errorf("now: got %v", got.Now)
		}
	}
	if n := len(f.sent()); n != 3 {
		t.Errorf("%d requests, want three:\n%s", n, f.list())
	}
}

func TestOneBadAttributeIsSingledOut(t *testing.T) {
	bad := func(s seen) step {
		if strings.Contains(s.body, "nickName") {
			return refused(400, "", "request is malformed")
		}
		return done
	}
	c, f := newFake(t, nil)
	f.rest = bad
	_, err := upd(t, c, rename, promote, chg("nickName", "a", "b"), chg("name.givenName", "c", "d"), chg(department, "e", "f"))
	te := wantError(t, err, engine.OutcomeEscrow, engine.CodeUnprocessable)
	want := []string{"username", "title", "name.givenname", strings.ToLower(department)}
	if !slices.Equal(slices.Sorted(slices.Values(te.Applied)), slices.Sorted(slices.Values(want))) {
		t.Errorf("applied %v, want %v", te.Applied, want)
	}
	if !strings.Contains(te.Detail, "nickName was refused") {
		t.Errorf("got %q, want the attribute named", te.Detail)
	}
	// The second is the whole in the shape that strict servers want.
	if got := bodies(f); !strings.Contains(got[2], "userName") || strings.Contains(got[2], "title") || !strings.Contains(got[2], "Replace") {
		t.Errorf("the name does not go first and alone: %s", got[2])
	}

	c, f = newFake(t, func(cfg *Config) { cfg.Repair = "off" })
	f.rest = bad
	_, err = upd(t, c, promote, chg("nickName", "a", "b"))
	wantError(t, err, engine.OutcomeEscrow, engine.CodeUnprocessable)
	if n := len(f.sent()); n != 1 {
		t.Errorf("with repair off %d requests, want one", n)
	}

	// Everything is refused: the cost is bounded.
	c, f = newFake(t, nil)
	f.rest = func(seen) step { return refused(400, "", "no") }
	var many []engine.AttributeChange
	for i := range 40 {
		many = append(many, chg(fmt.Sprintf("urn:x:2.0:User:a%d", i), "a", "b"))
	}
	_, err = upd(t, c, many...)
	wantError(t, err, engine.OutcomeEscrow, engine.CodeUnprocessable)
	if n := len(f.sent()); n > 1+maxSplit*(1+maxRepairs) {
		t.Errorf("%d requests for one object", n)
	}
}

func Test43PatchNotAllowed(t *testing.T) {
	stored := `{"schemas":["` + userURN + `","urn:x:2.0:User"],"id":"48c1","userName":"noor","active":true,"title":"Pilot","groups":[{"value":"1"}],
		"emails":[{"type":"home","value":"h@y.example"},{"type":"work","value":"w@y.example"}],"meta":{"resourceType":"User"},"urn:x:2.0:User":{"berth":7.50}}`
	for _, status := range []int{405, 501} {
		c, f := newFake(t, nil)
		f.rest = func(s seen) step {
			switch s.method {
			case "PATCH":
				return refused(status, "", "no patch")
			case "GET":
				return ok(strings.Replace(stored, id, strings.TrimPrefix(s.uri, "/scim/Users/"), 1))
			}
			return done
		}
		for _, id := range []string{"a", "b", "c"} {
			_, err := c.Update(t.Context(), engine.User, id, []engine.AttributeChange{promote, chg(workMail, "w@y.example", "n@y.example"), chg(department, nil, "Towage")})
			noError(t, err)
		}
		want := `{"schemas":["` + userURN + `","urn:x:2.0:User","` + enterpriseURN + `"],"userName":"noor","active":true,"emails":[{"type":"home","value":"h@y.example"},{"type":"work","value":"n@y.example"}],"id":"a","title":"Captain","` + enterpriseURN + `":{"department":"Towage"},"urn:x:2.0:User":{"berth":7.50}}`
		got := f.sent()
		if d := cmp.Diff(want, got[2].body); d != "" {
			t.Errorf("%d: PUT (-want +got):\n%s", status, d)
		}
		var methods []string
		for _, s := range got {
			methods = append(methods, s.method)
		}
		// Learned after two objects: the third gets no PATCH first.
		if want := []string{"PATCH", "GET", "PUT", "PATCH", "GET", "PUT", "GET", "PUT"}; !slices.Equal(methods, want) {
			t.Errorf("%d: got %v, want %v", status, methods, want)
		}
	}
}

func TestPutKeepsActive(t *testing.T) {
	c, f := newFake(t, func(cfg *Config) { cfg.User.UpdateMethod = "put" }, ok(`{"id":"48c1","userName":"noor","active":true}`), ok(`{"id":"48c1","active":false}`))
	_, err := upd(t, c, disable)
	noError(t, err)
	if got := f.sent()[1].body; !strings.Contains(got, `"active":false`) {
		t.Errorf("got %s", got)
	}
}

func TestConditionalPut(t *testing.T) {
	tagged := func(tag string) step {
		return step{status: 200, header: map[string]string{"ETag": tag}, body: `{"id":"48c1","userName":"noor"}`}
	}
	c, f := newFake(t, func(cfg *Config) { cfg.Profile, cfg.User.UpdateMethod = RFC7644, "put" },
		tagged(`W/"1"`), refused(412, "", "changed"), tagged(`W/"2"`), done, tagged(`W/"2"`), refused(412, "", "changed"), tagged(`W/"3"`), refused(412, "", "changed"))
	_, err := upd(t, c, promote)
	noError(t, err)
	got := f.sent()
	if a, b := got[1].header.Get("If-Match"), got[3].header.Get("If-Match"); a != `W/"1"` || b != `W/"2"` {
		t.Errorf("tags %q and %q, want those of the reads", a, b)
	}
	_, err = upd(t, c, promote)
	wantError(t, err, engine.OutcomeEscrow, engine.CodeNotApplied)

	// A server that insists on tags gets them with PATCH too.
	c, f = newFake(t, nil, refused(428, "", "If-Match needed"), tagged(`"7"`), done)
	_, err = upd(t, c, promote)
	noError(t, err)
	if tag := f.sent()[2].header.Get("If-Match"); tag != `"7"` {
		t.Errorf("got tag %q", tag)
	}
}

func Test44AnswersToUpdate(t *testing.T) {
	for _, c := range []struct {
		name  string
		steps []step
		now   map[string]any
	}{
		{"204", []step{done}, nil},
		{"200 without body", []step{{status: 200}}, nil},
		{"200 with the new state", []step{ok(`{"id":"48c1","title":"Captain"}`)}, nil},
		{"200 with the old state", []step{ok(`{"id":"48c1","title":"Pilot"}`)}, nil}, // a pre-image is not judged (13.8)
		{"200 with another value", []step{ok(`{"id":"48c1","title":"CAPTAIN"}`)}, map[string]any{"title": "CAPTAIN"}},
		{"200 without the attribute", []step{ok(`{"id":"48c1"}`)}, nil},
		{"202", []step{{status: 202}, ok(`{"id":"48c1","title":"Captain"}`)}, nil},
		{"200 with a web page, but done", []step{ok("<html>"), ok(`{"id":"48c1","title":"Captain"}`)}, nil},
		{"nothing to change", []step{refused(400, "", "No valid fields to update"), ok(`{"id":"48c1","title":"Captain"}`)}, nil},
	} {
		cl, _ := newFake(t, nil, c.steps...)
		got, err := upd(t, cl, promote)
		if err != nil {
			t.Errorf("%s: %v", c.name, err)
		}
		if d := cmp.Diff(c.now, got.Now); d != "" {
			t.Errorf("%s: now (-want +got):\n%s", c.name, d)
		}
	}
	old := ok(`{"id":"48c1","title":"Pilot"}`)
	c, _ := newFake(t, nil, ok("<html><title>Sign in"), old)
	_, err := upd(t, c, promote)
	wantError(t, err, engine.OutcomeEscrow, engine.CodeBadResponse)
	c, _ = newFake(t, nil, step{status: 202}, old)
	_, err = upd(t, c, promote)
	wantError(t, err, engine.OutcomeUnknown, engine.CodeServerError)
}

func Test45LoopGuard(t *testing.T) {
	phone := chg(`phoneNumbers[type eq "work"].value`, "1", "+47 900 00 042")
	rewritten := ok(`{"id":"48c1","phoneNumbers":[{"type":"work","value":"4790000042"}]}`)
	c, f := newFake(t, nil, rewritten, rewritten)
	for i := range 4 {
		got, err := upd(t, c, phone)
		noError(t, err)
		if got.Now[phone.Path.Key()] != "4790000042" {
			t.Errorf("round %d: now %v", i, got.Now)
		}
		if warned := len(got.Warnings) > 0; warned != (i >= 2) {
			t.Errorf("round %d: warnings %q", i, got.Warnings)
		}
	}
	f.rest = func(seen) step { return done }
	phone.New = "+47 900 00 043" // another value is tried again
	_, err := upd(t, c, phone)
	noError(t, err)
	if n := len(f.sent()); n != 3 {
		t.Errorf("%d requests, want three", n)
	}
}

func Test47LeaverIsDisabledFirstAndAlone(t *testing.T) {
	c, f := newFake(t, nil, ok(`{"id":"48c1","active":false}`), refused(403, "", "title is not yours"))
	_, err := upd(t, c, promote, disable)
	te := wantError(t, err, engine.OutcomeEscrow, engine.CodeForbidden)
	wantBodies(t, f, `PATCH [{"op":"Replace","path":"active","value":"False"}]`, `PATCH [{"op":"Replace","path":"title","value":"Captain"}]`)
	if !slices.Equal(te.Applied, []string{"active"}) {
		t.Errorf("applied %v, want active", te.Applied)
	}
	// If it fails nothing else is sent.
	c, f = newFake(t, nil, refused(403, "", "no"))
	_, err = upd(t, c, promote, disable)
	wantError(t, err, engine.OutcomeEscrow, engine.CodeForbidden)
	if n := len(f.sent()); n != 1 {
		t.Errorf("%d requests, want one", n)
	}
}

func inactive(id string) step { return ok(`{"id":"` + id + `","active":false}`) }

func Test48BooleansAsTheServerTakesThem(t *testing.T) {
	no := refused(400, "invalidValue", "active must be a boolean")
	c, f := newFake(t, nil, no, inactive("a"), no, inactive("b"), inactive("c"))
	for _, id := range []string{"a", "b", "c"} {
		_, err := c.Update(t.Context(), engine.User, id, []engine.AttributeChange{disable})
		noError(t, err)
	}
	text, boolean := `PATCH [{"op":"Replace","path":"active","value":"False"}]`, `PATCH [{"op":"Replace","path":"active","value":false}]`
	wantBodies(t, f, text, boolean, text, boolean, boolean)
	if f.log.FilterMessage("learned the shape of requests that this target accepts").Len() != 1 {
		t.Errorf("learning was not logged")
	}
	// What was learned and stops working is unlearned the same way.
	f.steps = []step{no, inactive("d"), no, inactive("e"), inactive("f")}
	for _, id := range []string{"d", "e", "f"} {
		_, err := c.Update(t.Context(), engine.User, id, []engine.AttributeChange{disable})
		noError(t, err)
	}
	if got := bodies(f); got[len(got)-1] != text {
		t.Errorf("got %s, want the text form again", got[len(got)-1])
	}
	c, f = newFake(t, func(cfg *Config) { cfg.BaseURL += "?aadOptscim062020" }, refused(400, "invalidValue", "string expected"), inactive(id))
	_, err := upd(t, c, disable)
	noError(t, err)
	wantBodies(t, f, `PATCH [{"op":"replace","path":"active","value":false}]`, `PATCH [{"op":"replace","path":"active","value":"False"}]`)
}

func Test49AddRefusedForActive(t *testing.T) {
	c, f := newFake(t, nil, refused(400, "invalidSyntax", `"Add" is not a valid choice.`), inactive(id))
	_, err := upd(t, c, chg("active", nil, false))
	noError(t, err)
	wantBodies(t, f, `PATCH [{"op":"Add","path":"active","value":"False"}]`, `PATCH [{"op":"Replace","path":"active","value":"False"}]`)
}

func TestLowerCaseOperations(t *testing.T) {
	c, f := newFake(t, nil, refused(400, "invalidSyntax", "unknown operation Replace"), done)
	_, err := upd(t, c, promote)
	noError(t, err)
	wantBodies(t, f, `PATCH [{"op":"Replace","path":"title","value":"Captain"}]`, `PATCH [{"op":"replace","path":"title","value":"Captain"}]`)
}

func TestRepairIsBounded(t *testing.T) {
	c, f := newFake(t, nil)
	f.rest = func(seen) step { return refused(400, "invalidSyntax", "operation active") }
	_, err := upd(t, c, chg("active", nil, false))
	wantError(t, err, engine.OutcomeEscrow, engine.CodeUnprocessable)
	if n := len(f.sent()); n > 1+maxRepairs {
		t.Errorf("%d requests, want %d at most", n, 1+maxRepairs)
	}
}

func Test50SuccessWithoutEffect(t *testing.T) {
	still := ok(`{"id":"48c1","active":true}`)
	for name, steps := range map[string][]step{
		"204":               {done, still},
		"200 with the body": {still, still},
	} {
		c, _ := newFake(t, nil, steps...)
		_, err := upd(t, c, disable)
		te := wantError(t, err, engine.OutcomeEscrow, engine.CodeNotApplied)
		if len(te.Applied) != 0 {
			t.Errorf("%s: applied %v, want nothing", name, te.Applied)
		}
	}
	// A server that answers with what was before is believed after a look.
	c, _ := newFake(t, nil, still, inactive(id))
	_, err := upd(t, c, disable)
	noError(t, err)
}

func TestDisablesAreVerifiedSparingly(t *testing.T) {
	c, f := newFake(t, nil)
	f.rest = func(s seen) step {
		if s.method == "GET" {
			return inactive(strings.TrimPrefix(s.uri, "/scim/Users/"))
		}
		return done
	}
	for i := range 40 {
		_, err := c.Update(t.Context(), engine.User, fmt.Sprint(i), []engine.AttributeChange{disable})
		noError(t, err)
	}
	reads := 0
	for _, s := range f.sent() {
		if s.method == "GET" {
			reads++
		}
	}
	if reads != 5+2 { // the first five, the 20th and the 40th
		t.Errorf("%d reads for 40 disables, want 7", reads)
	}
	for mode, want := range map[string]int{"always": 2, "never": 1} {
		c, f := newFake(t, func(cfg *Config) { cfg.Verify.Disable = mode })
		f.rest = func(s seen) step { return inactive(id) }
		_, err := upd(t, c, disable)
		noError(t, err)
		if n := len(f.sent()); n != want {
			t.Errorf("%s: %d requests, want %d", mode, n, want)
		}
	}
}

func Test51RemovedWhenDisabled(t *testing.T) {
	gone := refused(404, "", "no")
	c, _ := newFake(t, nil, done, gone, gone)
	_, err := upd(t, c, disable)
	noError(t, err)
	_, err = upd(t, c, chg("active", false, true))
	wantError(t, err, engine.OutcomeRematch, engine.CodeGone)
	c, _ = newFake(t, nil, inactive(id), gone)
	got, err := upd(t, c, disable, promote)
	noError(t, err)
	if len(got.Warnings) == 0 {
		t.Error("no warning about the other changes")
	}
}

func Test52MaskedNamesAreNoDrift(t *testing.T) {
	c, _ := newFake(t, nil, ok(`{"id":"48c1","active":false,"userName":"masked_48c1","emails":[{"type":"work","value":"masked@x"}]}`))
	got, err := upd(t, c, disable)
	noError(t, err)
	if len(got.Now) != 0 {
		t.Errorf("now: got %v, want nothing", got.Now)
	}
}

func TestRefusedRenameOfALeaver(t *testing.T) {
	c, _ := newFake(t, nil, inactive(id), refused(409, "uniqueness", "taken"))
	got, err := upd(t, c, rename, disable)
	noError(t, err)
	if len(got.Warnings) != 1 || got.Now["username"] != "noor" {
		t.Errorf("warnings %q, now %v", got.Warnings, got.Now)
	}
	// The rename of somebody active is a failure.
	c, _ = newFake(t, nil, refused(409, "uniqueness", "taken"))
	_, err = upd(t, c, rename)
	wantError(t, err, engine.OutcomeEscrow, engine.CodeConflict)
	// The name that cannot be given back keeps the account disabled.
	c, f := newFake(t, nil, refused(409, "uniqueness", "taken"))
	_, err = upd(t, c, chg("active", false, true), chg("userName", "0-noor", "noor"))
	wantError(t, err, engine.OutcomeEscrow, engine.CodeConflict)
	if n := len(f.sent()); n != 1 {
		t.Errorf("%d requests, want one", n)
	}
}

func TestDeleteThatIsRefused(t *testing.T) {
	for _, status := range []int{403, 405, 501} {
		c, f := newFake(t, nil, refused(status, "", "no"), inactive(id))
		noError(t, c.Delete(t.Context(), engine.User, id))
		if got := bodies(f); got[1] != `PATCH [{"op":"Replace","path":"active","value":"False"}]` {
			t.Errorf("%d: got %v, want a disable", status, got)
		}
	}
	c, _ := newFake(t, nil, refused(409, "", "referenced"), inactive(id))
	te := wantError(t, c.Delete(t.Context(), engine.User, id), engine.OutcomeEscrow, engine.CodeConflict)
	if !strings.Contains(te.Detail, "disabled instead") {
		t.Errorf("got %q", te.Detail)
	}
	c, _ = newFake(t, nil, refused(405, "", "no"))
	wantError(t, c.Delete(t.Context(), engine.Group, id), engine.OutcomeEscrow, engine.CodeMethodNotAllowed)
	for _, status := range []int{200, 202, 204, 404, 410} {
		c, _ := newFake(t, nil, step{status: status})
		noError(t, c.Delete(t.Context(), engine.User, id))
	}
}

func Test61GroupRenameConflict(t *testing.T) {
	c, f := newFake(t, nil, refused(409, "uniqueness", "taken"))
	_, err := c.Update(t.Context(), engine.Group, "g1", []engine.AttributeChange{chg("displayName", "a", "b")})
	wantError(t, err, engine.OutcomeEscrow, engine.CodeConflict)
	if n := len(f.sent()); n != 1 {
		t.Errorf("%d requests, want one and no new group", n)
	}
}

func Test65ManagerForms(t *testing.T) {
	set := chg(managerURN, nil, "90de")
	c, f := newFake(t, nil, refused(400, "invalidValue", "manager must be an object"), done)
	_, err := upd(t, c, set)
	noError(t, err)
	wantBodies(t, f, `PATCH [{"op":"Add","path":"`+managerURN+`","value":"90de"}]`, `PATCH [{"op":"Add","path":"`+managerURN+`","value":{"value":"90de"}}]`)
	c, _ = newFake(t, rfc, refused(404, "", "gone"), refused(400, "invalidValue", "unknown manager"))
	_, err = upd(t, c, set)
	wantError(t, err, engine.OutcomeRematch, engine.CodeGone)
	_, err = upd(t, c, set)
	wantError(t, err, engine.OutcomeEscrowRef, engine.CodeUnprocessable)
}

func Test98And99FilterPathsRefused(t *testing.T) {
	foreign := `{"id":"48c1","emails":[{"type":"home","value":"h@y.example","x":1},{"type":"work","value":"old@y.example","primary":true}]}`
	c, f := newFake(t, nil)
	reads := 0
	f.rest = func(s seen) step {
		switch {
		case s.method == "GET":
			reads++
			return ok(strings.Replace(foreign, "48c1", strings.TrimPrefix(s.uri, "/scim/Users/"), 1))
		case strings.Contains(s.body, "["+"type eq"):
			return refused(400, "invalidPath", "value filters are not supported")
		}
		return done
	}
	for i := range 3 {
		_, err := c.Update(t.Context(), engine.User, fmt.Sprint(i), []engine.AttributeChange{promote, chg(workMail, "old@y.example", "new@y.example")})
		noError(t, err)
	}
	got := bodies(f)
	whole := `PATCH [{"op":"Replace","path":"emails","value":[{"type":"home","value":"h@y.example","x":1},{"primary":true,"type":"work","value":"new@y.example"}]},{"op":"Replace","path":"title","value":"Captain"}]`
	if got[2] != whole || got[len(got)-1] != whole {
		t.Errorf("got %s\nwant %s", got[2], whole)
	}
	if len(got) != 3+3+2 || reads != 3 {
		t.Errorf("from the third object on a failing attempt goes first:\n%s", f.list())
	}
	// 99: without the list in the read nothing is replaced.
	c, f = newFake(t, func(cfg *Config) { cfg.Capabilities.FilterPaths = new(false) }, ok(`{"id":"48c1"}`))
	_, err := upd(t, c, chg(workMail, "a", "b"))
	wantError(t, err, engine.OutcomeEscrow, engine.CodeSchemaAttribute)
	if n := len(f.sent()); n != 1 {
		t.Errorf("%d requests, want the read alone", n)
	}
}

func TestUpdateOutcomes(t *testing.T) {
	for _, c := range []struct {
		steps   []step
		outcome engine.Outcome
		code    engine.Code
	}{
		{[]step{refused(404, "", "")}, engine.OutcomeRematch, engine.CodeGone},
		{[]step{{status: 410}}, engine.OutcomeRematch, engine.CodeGone},
		{[]step{refused(409, "", "busy"), refused(409, "", "busy")}, engine.OutcomeEscrow, engine.CodeConflict}, // once more, as nothing unique is in it
		{[]step{refused(412, "", ""), refused(412, "", "")}, engine.OutcomeEscrow, engine.CodeNotApplied},
		{[]step{refused(401, "", "")}, engine.OutcomeQuarantine, engine.CodeCredentials},
		{[]step{refused(400, "invalidVers", "")}, engine.OutcomeQuarantine, engine.CodeBadResponse},
		{[]step{{status: 207}}, engine.OutcomeEscrow, engine.CodeBadResponse},
		{[]step{{status: 200, body: `{"schemas":["` + errorURN + `"],"status":"403","detail":"no"}`}}, engine.OutcomeEscrow, engine.CodeForbidden},
	} {
		cl, _ := newFake(t, rfc, c.steps...)
		_, err := upd(t, cl, promote)
		wantError(t, err, c.outcome, c.code)
	}
}

func TestUpdateThatIsCutIsRepeated(t *testing.T) {
	cut := step{cut: true}
	c, f := newFake(t, nil, cut, done)
	_, err := upd(t, c, promote)
	noError(t, err)
	if got := f.sent(); got[0].body != got[1].body {
		t.Errorf("the repetition differs")
	}
	c, _ = newFake(t, nil, cut, cut, cut, cut, cut)
	_, err = upd(t, c, promote)
	wantError(t, err, engine.OutcomeUnknown, engine.CodeTransport)
}

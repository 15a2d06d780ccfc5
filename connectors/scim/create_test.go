package scim

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/scimsync/scimsync/engine"
)

func mustMake(t *testing.T, c *Client) engine.Created {
	t.Helper()
	made, err := c.Create(t.Context(), engine.User, noor(), noorBy)
	noError(t, err)
	return made
}

func Test19to22AnswersToCreate(t *testing.T) {
	const minutesAgo, longAgo = "2026-03-01T11:58:00Z", "2025-01-01T00:00:00Z"
	location := map[string]string{"Location": "https://elsewhere.example/scim/Users/a%2Fb?x=1"}
	withMeta := func(created string) string {
		return `{"id":"48c1","userName":"noor.ahlgren@fabrikon.example","meta":{"created":"` + created + `"}}`
	}
	for _, c := range []struct {
		name     string
		steps    []step
		id       string
		existing bool
		by       string
	}{
		{"19 with id", []step{created(noorJSON)}, "48c1", false, ""},
		{"20 location only", []step{{status: 201, header: location}}, "a/b", false, ""},
		{"20 no body, 204", []step{{status: 204, header: location}}, "a/b", false, ""},
		{"20 location in meta", []step{created(`{"meta":{"location":"http://other/Users/77"}}`)}, "77", false, ""},
		{"21 found by query", []step{{status: 201}, ok(list(`{"id":"48c1","userName":"noor.ahlgren@fabrikon.example"}`))}, "48c1", false, ""},
		{"21 web page with 201", []step{created("<html>"), ok(list(noorJSON))}, "48c1", false, ""},
		{"22 old resource", []step{ok(withMeta(longAgo))}, "48c1", true, "userName"},
		{"200 and young", []step{{status: 200, body: withMeta(minutesAgo), header: map[string]string{"Date": "Sun, 01 Mar 2026 12:00:00 GMT"}}}, "48c1", false, ""},
		{"200 without meta", []step{ok(noorJSON)}, "48c1", false, ""},
		{"28 numeric id", []step{created(`{"id":9007199254740993}`)}, "9007199254740993", false, ""},
		{"28 longer numeric id", []step{created(`{"ID":123456789012345678901234567890}`)}, "123456789012345678901234567890", false, ""},
	} {
		cl, _ := newFake(t, nil, c.steps...)
		made, err := cl.Create(t.Context(), engine.User, noor(), noorBy)
		if err != nil {
			t.Errorf("%s: %v", c.name, err)
			continue
		}
		if made.ID != c.id || made.Existing != c.existing || made.MatchedBy.String() != c.by {
			t.Errorf("%s: got id %q, existing %t by %q; want %q, %t by %q", c.name, made.ID, made.Existing, made.MatchedBy, c.id, c.existing, c.by)
		}
		if got := made.Attributes["title"]; got != "Harbour pilot" {
			t.Errorf("%s: title: got %v, want what was sent", c.name, got)
		}
	}
}

func Test23to26Conflicts(t *testing.T) {
	stranger := `{"id":"9","userName":"noor.ahlgren@fabrikon.example","externalId":"somebody else"}`
	byExternal := []engine.Value{val("externalId", "noor.ahlgren")}
	for _, c := range []struct {
		name  string
		by    []engine.Value
		steps []step
		id    string
		code  engine.Code
		says  string
	}{
		{"23 409 without body", noorBy, []step{{status: 409}, ok(list(noorJSON))}, "48c1", "", ""},
		{"25 400 uniqueness", noorBy, []step{refused(400, "uniqueness", "taken"), ok(list(noorJSON))}, "48c1", "", ""},
		{"26 500 constraint", noorBy, []step{{status: 500, body: "ERROR: violates unique constraint users_name"}, ok(list(noorJSON))}, "48c1", "", ""},
		{"422 already exists", noorBy, []step{{status: 422, body: `{"message":"User already exists"}`}, ok(list(noorJSON))}, "48c1", "", ""},
		{"24 stranger", byExternal, []step{refused(409, "uniqueness", "taken"), none, ok(list(stranger))}, "", engine.CodeConflict, "id 9"},
		{"nobody found", byExternal, []step{refused(409, "uniqueness", "taken"), none, none}, "", engine.CodeConflict, "softly"},
		{"several", noorBy, []step{{status: 409}, ok(list(noorJSON, stranger))}, "", engine.CodeDuplicateTarget, "userName"},
		{"not searchable", noorBy, []step{{status: 409}, refused(400, "invalidFilter", "no"), none}, "", engine.CodeConflict, "cannot be searched"},
	} {
		cl, f := newFake(t, nil, c.steps...)
		made, err := cl.Create(t.Context(), engine.User, noor(), c.by)
		if c.code != "" {
			te := wantError(t, err, engine.OutcomeEscrow, c.code)
			if !strings.Contains(te.Detail, c.says) {
				t.Errorf("%s: got %q, want it to say %q", c.name, te.Detail, c.says)
			}
			continue
		}
		noError(t, err)
		if made.ID != c.id || !made.Existing || made.MatchedBy.String() != "userName" {
			t.Errorf("%s: got %q, existing %t by %s", c.name, made.ID, made.Existing, made.MatchedBy)
		}
		if n := strings.Count(strings.Join(f.lines(), "\n"), "POST"); n != 1 {
			t.Errorf("%s: %d POSTs, want one", c.name, n)
		}
	}
	cl, _ := newFake(t, func(cfg *Config) { cfg.Match.CreateConflict = "fail" }, step{status: 409})
	_, err := cl.Create(t.Context(), engine.User, noor(), noorBy)
	wantError(t, err, engine.OutcomeEscrow, engine.CodeConflict)
}

func Test27AcceptedAndDoneLater(t *testing.T) {
	c, f := newFake(t, nil, step{status: 202}, none, none, ok(list(noorJSON)))
	start := f.clock.Now()
	// Neither externalId nor the name finds it at first; the second look comes after five seconds.
	if made := mustMake(t, c); made.ID != "48c1" || made.Existing {
		t.Errorf("got %q, existing %t", made.ID, made.Existing)
	}
	got := f.sent()
	if d := got[len(got)-1].at.Sub(start); d != 5*time.Second {
		t.Errorf("the last look came after %s, want 5s", d)
	}
	looks := []step{{status: 202}}
	for range 4 { // by userName and by externalId each time
		looks = append(looks, none, none)
	}
	c, _ = newFake(t, nil, looks...)
	_, err := c.Create(t.Context(), engine.User, noor(), noorBy)
	wantError(t, err, engine.OutcomeUnknown, engine.CodeServerError)
}

func TestCreateNeedsItsName(t *testing.T) {
	c, f := newFake(t, nil)
	_, err := c.Create(t.Context(), engine.User, []engine.Value{val("displayName", "x"), val("userName", "")}, nil)
	wantError(t, err, engine.OutcomeEscrow, engine.CodeRequiredMissing)
	_, err = c.Create(t.Context(), engine.Group, []engine.Value{val("externalId", "x")}, nil)
	wantError(t, err, engine.OutcomeEscrow, engine.CodeRequiredMissing)
	if n := len(f.sent()); n != 0 {
		t.Errorf("%d requests, want none", n)
	}
}

func Test31CutAfterThePostWasApplied(t *testing.T) {
	c, f := newFake(t, nil, step{cut: true}, ok(list(noorJSON)))
	if made := mustMake(t, c); made.ID != "48c1" || made.Existing {
		t.Errorf("got %q, existing %t, want our own", made.ID, made.Existing)
	}
	if got := f.clock.Slept(); !slices.Equal(got, []time.Duration{time.Second}) {
		t.Errorf("waited %v, want a second before the look", got)
	}
	// Somebody else's account that only matches is told apart from our own.
	c, _ = newFake(t, nil, step{cut: true}, ok(list(`{"id":"1","userName":"noor.ahlgren@fabrikon.example","externalId":"other","meta":{"created":"2020-01-01T00:00:00Z"}}`)))
	if made := mustMake(t, c); made.ID != "1" || !made.Existing || made.MatchedBy.String() != "userName" {
		t.Errorf("got %q, existing %t by %s, want the account that was there", made.ID, made.Existing, made.MatchedBy)
	}
}

// look is what one look for a lost create costs: by userName, then by externalId.
var look = []step{none, none}

func Test32CutBeforeThePostWasApplied(t *testing.T) {
	steps := slices.Concat([]step{{cut: true}}, look, look, look, []step{created(noorJSON)})
	c, f := newFake(t, nil, steps...)
	mustMake(t, c)
	if n := strings.Count(strings.Join(f.lines(), "\n"), "POST"); n != 2 {
		t.Errorf("%d POSTs, want two:\n%s", n, f.list())
	}
	if got := f.clock.Slept(); !slices.Equal(got, lookAfter) {
		t.Errorf("waited %v, want %v", got, lookAfter)
	}
}

func Test33CutTwice(t *testing.T) {
	cut := step{cut: true}
	steps := slices.Concat([]step{cut}, look, look, look, []step{cut}, look, look, look)
	c, f := newFake(t, nil, steps...)
	_, err := c.Create(t.Context(), engine.User, noor(), noorBy)
	wantError(t, err, engine.OutcomeUnknown, engine.CodeTransport)
	if n := strings.Count(strings.Join(f.lines(), "\n"), "POST"); n != 2 {
		t.Errorf("%d POSTs, want two and never a third", n)
	}
}

func TestLostCreateThatCannotBeLookedFor(t *testing.T) {
	no := refused(400, "invalidFilter", "no")
	steps := []step{{status: 502}}
	for range 3 {
		steps = append(steps, no, no)
	}
	c, f := newFake(t, nil, steps...)
	_, err := c.Create(t.Context(), engine.User, noor(), noorBy)
	wantError(t, err, engine.OutcomeUnknown, engine.CodeServerError)
	if n := strings.Count(strings.Join(f.lines(), "\n"), "POST"); n != 1 {
		t.Errorf("%d POSTs, want one", n)
	}
}

func TestAmbiguousStatusesAreNeverPostedBlindly(t *testing.T) {
	for _, status := range []int{408, 425, 500, 502, 503, 504, 520, 524} {
		c, f := newFake(t, nil, step{status: status}, ok(list(noorJSON)))
		mustMake(t, c)
		if got := f.lines(); !strings.HasPrefix(got[1], "GET") {
			t.Errorf("%d: got %v, want a look after it", status, got)
		}
	}
	// The conflict on the second POST is most likely our own first one.
	steps := slices.Concat([]step{{status: 504}}, look, look, look, []step{{status: 409}, ok(list(noorJSON))})
	c, _ := newFake(t, nil, steps...)
	if made := mustMake(t, c); made.ID != "48c1" {
		t.Errorf("got %q", made.ID)
	}
}

func Test35UnavailableWithRetryAfter(t *testing.T) {
	c, f := newFake(t, nil, step{status: 503, header: map[string]string{"Retry-After": "20"}}, created(noorJSON))
	mustMake(t, c)
	got := f.sent()
	if len(got) != 2 || got[1].method != "POST" {
		t.Fatalf("got:\n%s", f.list())
	}
	if d := got[1].at.Sub(got[0].at); d < 20*time.Second || d > 22*time.Second {
		t.Errorf("waited %s, want 20 to 22 s", d)
	}
}

func TestCreatesOfOnePersonFollowEachOther(t *testing.T) {
	entered, leave := make(chan string, 2), make(chan bool)
	c, f := newFake(t, nil)
	f.rest = func(seen) step {
		return step{do: func(w http.ResponseWriter, r *http.Request) {
			entered <- r.Method
			<-leave
			w.WriteHeader(201)
			fmt.Fprint(w, noorJSON)
		}}
	}
	done := make(chan error, 2)
	for range 2 {
		go func() {
			_, err := c.Create(context.Background(), engine.User, noor(), noorBy)
			done <- err
		}()
	}
	<-entered
	select {
	case <-entered:
		t.Error("two creates of one person were under way at once")
	default:
	}
	leave <- true
	<-entered
	leave <- true
	for range 2 {
		noError(t, <-done)
	}
}

func TestCreateDropsWhatIsNotWritable(t *testing.T) {
	c, f := newFake(t, nil, refused(400, "mutability", "attribute title is readOnly"), created(noorJSON))
	mustMake(t, c)
	if got := f.sent()[1].body; strings.Contains(got, "title") || !strings.Contains(got, "displayName") {
		t.Errorf("got %s", got)
	}
}

func TestCreateRefused(t *testing.T) {
	for _, c := range []struct {
		answer  step
		outcome engine.Outcome
		code    engine.Code
	}{
		{refused(400, "invalidValue", "name.familyName is required"), engine.OutcomeEscrow, engine.CodeRequiredMissing},
		{refused(400, "invalidValue", "mail domain is not verified"), engine.OutcomeEscrow, engine.CodeInvalidDomain},
		{refused(403, "", "no license left"), engine.OutcomeEscrow, engine.CodeLicenseLimit},
		{refused(403, "", "not for you"), engine.OutcomeEscrow, engine.CodeForbidden},
		{refused(402, "", "pay"), engine.OutcomeEscrow, engine.CodeLicenseLimit},
		{refused(401, "", "who?"), engine.OutcomeQuarantine, engine.CodeCredentials},
		{refused(404, "", "no"), engine.OutcomeQuarantine, engine.CodeGone},
		{refused(405, "", "no"), engine.OutcomeEscrow, engine.CodeMethodNotAllowed},
		{refused(413, "", "big"), engine.OutcomeEscrow, engine.CodeUnprocessable},
		{refused(451, "", "no"), engine.OutcomeSkip, engine.CodeForbidden},
		{refused(501, "", "no"), engine.OutcomeEscrow, engine.CodeNotImplemented},
		{refused(507, "", "full"), engine.OutcomeEscrow, engine.CodeServerError},
		{refused(426, "", "tls"), engine.OutcomeQuarantine, engine.CodeTransport},
	} {
		cl, f := newFake(t, nil, c.answer)
		_, err := cl.Create(t.Context(), engine.User, noor(), noorBy)
		te := wantError(t, err, c.outcome, c.code)
		if te.Status != c.answer.status {
			t.Errorf("got status %d, want %d", te.Status, c.answer.status)
		}
		if n := len(f.sent()); n != 1 {
			t.Errorf("%d: %d requests, want one", c.answer.status, n)
		}
	}
}

func TestVerifyCreate(t *testing.T) {
	on := func(cfg *Config) { cfg.Verify.Create = true }
	c, _ := newFake(t, on, created(noorJSON), ok(`{"id":"48c1","title":"As stored"}`))
	if made := mustMake(t, c); made.Attributes["title"] != "As stored" {
		t.Errorf("got %v", made.Attributes)
	}
	c, _ = newFake(t, on, created(noorJSON), refused(404, "", "no"))
	_, err := c.Create(t.Context(), engine.User, noor(), noorBy)
	wantError(t, err, engine.OutcomeUnknown, engine.CodeNotApplied)
}

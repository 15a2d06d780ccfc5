package scim

import (
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"go.uber.org/zap"

	"github.com/scimsync/scimsync/engine"
)

// Names of tests begin with the numbers of the conformance list, section 29.

func Test01and02FlagsOfTheTenantURL(t *testing.T) {
	for _, c := range []struct {
		query  string
		uri    string
		d062   bool
		notes  int
		change func(*Config)
	}{
		{"/?region=eu&aadOptscim062020", "/scim/Users?region=eu&filter=", true, 0, nil},
		{"?AADOPTSCIM062020=false", "/scim/Users?filter=", false, 0, nil},
		{"?aadOptscim062020=true&region=eu", "/scim/Users?region=eu&filter=", true, 0, nil},
		{"?aadOptscim062020&AzureAdScimPatch2017", "/scim/Users?filter=", false, 1, nil},
		{"?aadOptscim062020", "/scim/Users?filter=", false, 1, func(c *Config) { c.Profile = RFC7644 }},
		{"?aadOptscim062020", "/scim/Users?aadOptscim062020&filter=", true, 0, func(c *Config) { c.SendFlags = true }},
		{"//?a=b&&c=d&", "/scim/Users?a=b&c=d&filter=", false, 0, nil},
	} {
		cl, f := newFake(t, func(cfg *Config) {
			cfg.BaseURL += c.query
			if c.change != nil {
				c.change(cfg)
			}
		}, none)
		_, _, err := cl.Find(t.Context(), engine.User, noorBy)
		noError(t, err)
		if got := f.sent()[0].uri; !strings.HasPrefix(got, c.uri) {
			t.Errorf("%s: got %s, want %s…", c.query, got, c.uri)
		}
		if cl.set.base.dialect062 != c.d062 || len(cl.set.base.notes) != c.notes {
			t.Errorf("%s: dialect 062020 %t with %d notes, want %t with %d", c.query, cl.set.base.dialect062, len(cl.set.base.notes), c.d062, c.notes)
		}
	}
}

func Test03IDsAreOneSegment(t *testing.T) {
	c, f := newFake(t, nil, ok(`{"id":"a/b c@d"}`), step{status: 204})
	_, err := c.Get(t.Context(), engine.User, "a/b c@d")
	noError(t, err)
	noError(t, c.Delete(t.Context(), engine.Group, "..%é"))
	want := []string{"GET /scim/Users/a%2Fb%20c%40d", "DELETE /scim/Groups/..%25%C3%A9"}
	if got := f.lines(); !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}

func Test05PastedTokens(t *testing.T) {
	for _, pasted := range []string{"bearer  xyz-token\n", "Bearer xyz-token", "  xyz-token\r\n", "BEARER\txyz-token"} {
		c, f := newFake(t, func(cfg *Config) { cfg.Auth.Token = engine.NewSecret(pasted) }, ok(noorJSON))
		_, err := c.Get(t.Context(), engine.User, "48c1")
		noError(t, err)
		if got := f.sent()[0].header["Authorization"]; !slices.Equal(got, []string{"Bearer xyz-token"}) {
			t.Errorf("%q: got %q", pasted, got)
		}
	}
}

func Test13ValuesInFilters(t *testing.T) {
	for value, want := range map[string]string{
		`o"neil\dept+1@fabrikon.example`: `userName%20eq%20%22o%5C%22neil%5C%5Cdept%2B1%40fabrikon.example%22`,
		"a+b&c#d%e'f":                    `userName%20eq%20%22a%2Bb%26c%23d%25e%27f%22`,
		"😀 é":                            `userName%20eq%20%22%F0%9F%98%80%20e%CC%81%22`,
		"tab\tbell\x07":                  `userName%20eq%20%22tab%5Ctbell%5Cu0007%22`,
		"a/b[c]=~d":                      `userName%20eq%20%22a%2Fb%5Bc%5D%3D~d%22`,
	} {
		if value == "😀 é" {
			value = "😀 e\u0301"
		}
		c, f := newFake(t, nil, none)
		_, _, _ = c.Find(t.Context(), engine.User, byUserName(value))
		got := f.sent()[0].uri
		if got != "/scim/Users?filter="+want {
			t.Errorf("%q:\n got %s\nwant %s", value, got, want)
		}
		u, err := url.Parse(got)
		if err != nil {
			t.Fatal(err)
		}
		text := strings.TrimPrefix(u.Query().Get("filter"), "userName eq ")
		back, err := parseJSON([]byte(text), errorLimits)
		if err != nil || back != value {
			t.Errorf("%q came back as %q, %v", value, back, err)
		}
	}
	c, f := newFake(t, func(cfg *Config) { cfg.QuerySpace = "plus" }, none)
	_, _, err := c.Find(t.Context(), engine.User, byUserName("a b"))
	noError(t, err)
	if got := f.sent()[0].uri; got != "/scim/Users?filter=userName+eq+%22a+b%22" {
		t.Errorf("querySpace plus: got %s", got)
	}
}

func TestFilterShapes(t *testing.T) {
	for _, c := range []struct {
		profile Profile
		kind    engine.Kind
		by      engine.Value
		want    string
	}{
		{Entra, engine.User, val("userName", "x"), `/scim/Users?filter=userName eq "x"`},
		{Entra, engine.User, val(workMail, "x"), `/scim/Users?filter=emails[type eq "work"].value eq "x"`},
		{Entra, engine.User, val(enterpriseURN+":employeeNumber", "10442"), `/scim/Users?filter=` + enterpriseURN + `:employeeNumber eq "10442"`},
		{Entra, engine.User, val("active", true), `/scim/Users?filter=active eq true`},
		{Entra, engine.User, val("urn:x:2.0:User:berth", int64(7)), `/scim/Users?filter=urn:x:2.0:User:berth eq 7`},
		{Entra, engine.Group, val("displayName", "Harbour Pilots"), `/scim/Groups?excludedAttributes=members&filter=displayName eq "Harbour Pilots"`},
		{RFC7644, engine.User, val("userName", "x"), `/scim/Users?filter=userName eq "x"&count=3`},
	} {
		cl, f := newFake(t, func(cfg *Config) { cfg.Profile = c.profile }, none)
		_, _, err := cl.Find(t.Context(), c.kind, []engine.Value{c.by})
		noError(t, err)
		got, _ := url.PathUnescape(f.sent()[0].uri)
		if got != c.want {
			t.Errorf("got %s, want %s", got, c.want)
		}
	}
}

func Test14QuoteAndEmptyAnswer(t *testing.T) {
	c, _ := newFake(t, nil, none, refused(400, "invalidFilter", "cannot parse"), none, ok(list(noorJSON)), ok(list(`{"id":"1","userName":"o\"neil"}`)), none)
	odd := byUserName(`o"neil`)
	_, _, err := c.Find(t.Context(), engine.User, odd)
	wantError(t, err, engine.OutcomeEscrow, engine.CodeFilterUnsupported)
	_, _, err = c.Find(t.Context(), engine.User, odd)
	wantError(t, err, engine.OutcomeEscrow, engine.CodeFilterUnsupported)
	// A later attribute without such characters settles it by finding somebody.
	found, by, err := c.Find(t.Context(), engine.User, append(odd, val("externalId", "noor.ahlgren")))
	noError(t, err)
	if len(found) != 1 || by.String() != "externalId" {
		t.Errorf("got %d by %s, want one by externalId", len(found), by)
	}
	// Once the server has shown that it reads escapes, its empty answers count.
	found, _, err = c.Find(t.Context(), engine.User, odd)
	noError(t, err)
	if len(found) != 1 {
		t.Errorf("got %d, want one", len(found))
	}
	_, _, err = c.Find(t.Context(), engine.User, byUserName(`o"hara`))
	noError(t, err)
}

func Test15to17WhatComesBackIsVerified(t *testing.T) {
	strangers := make([]string, 50)
	for i := range strangers {
		strangers[i] = fmt.Sprintf(`{"id":"%d","userName":"stranger%d"}`, i, i)
	}
	for _, c := range []struct {
		name string
		body string
		want []string
		code engine.Code
		warn string
	}{
		{"15 prefix search", list(`{"id":"1","userName":"ops-test"}`, `{"id":"2","userName":"ops"}`), []string{"2"}, "", "prefix"},
		{"16 duplicates", list(`{"id":"1","userName":"ops"}`, `{"id":"2","userName":"ops"}`), []string{"1", "2"}, "", ""},
		{"17 filter ignored", list(strangers...), nil, engine.CodeFilterIgnored, ""},
		{"one stranger", list(`{"id":"1","userName":"other"}`), nil, engine.CodeFilterIgnored, ""},
		{"another case", list(`{"id":"1","userName":"OPS"}`), []string{"1"}, "", ""},
		{"exact before folded", list(`{"id":"1","userName":"OPS"}`, `{"id":"2","userName":"ops"}`), []string{"2"}, "", "case"},
		{"silent and unproven", list(`{"id":"1"}`), nil, engine.CodeFilterIgnored, ""},
		{"total without resources", `{"totalResults":3,"Resources":[]}`, nil, engine.CodeBadResponse, ""},
		{"resources without total", `{"totalResults":0,"Resources":[{"id":"1","userName":"ops"}]}`, []string{"1"}, "", ""},
		{"a resource instead of a list", `{"id":"1","userName":"ops","schemas":["` + userURN + `"]}`, nil, engine.CodeBadResponse, ""},
		{"names in lower case, counts as text", `{"totalresults":"1","resources":[{"ID":"1","USERNAME":"ops"}]}`, []string{"1"}, "", ""},
		{"no id", list(`{"userName":"ops"}`), nil, engine.CodeBadResponse, ""},
		{"web page", "<html><title>Sign in</title></html>", nil, engine.CodeBadResponse, ""},
		{"nothing", "", nil, engine.CodeBadResponse, ""},
	} {
		cl, f := newFake(t, nil, ok(c.body))
		found, _, err := cl.Find(t.Context(), engine.User, byUserName("ops"))
		if c.code != "" {
			wantError(t, err, engine.OutcomeEscrow, c.code)
			continue
		}
		noError(t, err)
		var ids []string
		for _, r := range found {
			ids = append(ids, r.ID)
		}
		if !slices.Equal(ids, c.want) {
			t.Errorf("%s: got %v, want %v", c.name, ids, c.want)
		}
		warned := f.log.FilterLevelExact(zap.WarnLevel).All()
		if (c.warn != "") != (len(warned) > 0) || c.warn != "" && !strings.Contains(warned[0].Message, c.warn) {
			t.Errorf("%s: got warnings %v, want one about %q", c.name, warned, c.warn)
		}
	}
}

func Test18FormsOfTypedFilters(t *testing.T) {
	mail := val(workMail, "x@y.example")
	hit := ok(list(`{"id":"1","emails":[{"value":"x@y.example"}]}`))
	c, f := newFake(t, nil, refused(400, "invalidFilter", "no brackets"), refused(400, "invalidPath", "no brackets"), hit, hit)
	for range 2 {
		found, _, err := c.Find(t.Context(), engine.User, []engine.Value{mail})
		noError(t, err)
		if len(found) != 1 {
			t.Fatalf("got %d, want one", len(found))
		}
	}
	var filters []string
	for _, s := range f.sent() {
		u, _ := url.Parse(s.uri)
		filters = append(filters, u.Query().Get("filter"))
	}
	want := []string{`emails[type eq "work"].value eq "x@y.example"`, `emails[type eq "work" and value eq "x@y.example"]`,
		`emails.value eq "x@y.example"`, `emails.value eq "x@y.example"`} // the last is the form remembered
	if !slices.Equal(filters, want) {
		t.Errorf("got %q\nwant %q", filters, want)
	}
	no := refused(400, "invalidFilter", "not supported")
	c, _ = newFake(t, nil, no, no, no, no)
	_, _, err := c.Find(t.Context(), engine.User, []engine.Value{mail})
	wantError(t, err, engine.OutcomeEscrow, engine.CodeFilterUnsupported)
}

func TestUnsupportedAttributeSpoilsAbsence(t *testing.T) {
	no := refused(400, "invalidFilter", "externalId is not supported")
	c, _ := newFake(t, nil, no, none, no, ok(list(noorJSON)))
	by := append([]engine.Value{val("externalId", "e1")}, noorBy...)
	_, _, err := c.Find(t.Context(), engine.User, by)
	wantError(t, err, engine.OutcomeEscrow, engine.CodeFilterUnsupported)
	found, path, err := c.Find(t.Context(), engine.User, by)
	noError(t, err)
	if len(found) != 1 || path.String() != "userName" {
		t.Errorf("got %d by %s, want one by userName", len(found), path)
	}
}

func TestQueryAnsweredWith404(t *testing.T) {
	scim404 := refused(404, "", "not found")
	c, _ := newFake(t, nil, scim404, ok(noorJSON), scim404)
	_, _, err := c.Find(t.Context(), engine.User, noorBy) // the first of the cycle
	wantError(t, err, engine.OutcomeQuarantine, engine.CodeBadResponse)
	_, err = c.Get(t.Context(), engine.User, "48c1")
	noError(t, err)
	_, _, err = c.Find(t.Context(), engine.User, noorBy)
	wantError(t, err, engine.OutcomeEscrow, engine.CodeBadResponse)

	c, _ = newFake(t, func(cfg *Config) { cfg.Match.Query404IsEmpty = true }, scim404, step{status: 404, body: "<html>no</html>"})
	found, _, err := c.Find(t.Context(), engine.User, noorBy)
	noError(t, err)
	if found != nil {
		t.Errorf("got %v, want nobody", found)
	}
	_, _, err = c.Find(t.Context(), engine.User, noorBy)
	wantError(t, err, engine.OutcomeQuarantine, engine.CodeBadResponse)
}

func TestScanFallback(t *testing.T) {
	no := refused(501, "", "no filters")
	c, f := newFake(t, func(cfg *Config) { cfg.Match.ScanFallback = true },
		no, ok(list(`{"id":"1","userName":"other"}`, noorJSON)))
	found, by, err := c.Find(t.Context(), engine.User, noorBy)
	noError(t, err)
	if len(found) != 1 || found[0].ID != "48c1" || by.String() != "userName" {
		t.Errorf("got %v by %s", found, by)
	}
	if got := f.sent()[1].uri; got != "/scim/Users?startIndex=1&count=100" {
		t.Errorf("listed by %s", got)
	}
	// The listing serves the whole cycle, and nobody is sought in it for ever.
	f.steps = []step{no}
	found, _, err = c.Find(t.Context(), engine.User, byUserName("OTHER"))
	noError(t, err)
	if len(found) != 1 || found[0].ID != "1" {
		t.Errorf("got %v from the same listing", found)
	}
	f.clock.Advance(time.Hour)
	f.steps = []step{no, pageOf(9, 1, 3, ""), refused(400, "", "no further")}
	_, _, err = c.Find(t.Context(), engine.User, noorBy)
	wantError(t, err, engine.OutcomeEscrow, engine.CodePaginationBroken)
}

func Test09and10and11AnswersOfTheWrongPlace(t *testing.T) {
	for _, c := range []struct {
		name    string
		answer  step
		outcome engine.Outcome
		says    string
	}{
		{"09 not found", refused(404, "", "nothing here"), engine.OutcomeQuarantine, "match.query404IsEmpty"},
		{"10 login page", step{status: 302, header: map[string]string{"Location": "https://login.example.net/in?user=noor"}}, engine.OutcomeQuarantine, "https://login.example.net/in"},
		{"11 web page", ok("<!doctype html><TITLE>Welcome &amp; hello</TITLE>"), engine.OutcomeEscrow, "Welcome & hello"},
	} {
		cl, f := newFake(t, nil, c.answer)
		_, _, err := cl.Find(t.Context(), engine.User, noorBy)
		te := wantError(t, err, c.outcome, engine.CodeBadResponse)
		if !strings.Contains(te.Detail, c.says) || strings.Contains(te.Detail, "user=noor") {
			t.Errorf("%s: got %q, want it to say %q", c.name, te.Detail, c.says)
		}
		if n := len(f.sent()); n != 1 {
			t.Errorf("%s: %d requests, want one", c.name, n)
		}
	}
}

func TestRedirectsOfTheSameOriginAreFollowedOnce(t *testing.T) {
	c, f := newFake(t, nil, step{status: 307, header: map[string]string{"Location": "/v2/Users?x=y"}}, created(noorJSON))
	_, err := c.Create(t.Context(), engine.User, noor(), noorBy)
	noError(t, err)
	got := f.sent()
	if got[1].line() != "POST /v2/Users?x=y" || got[1].body != got[0].body || got[1].header.Get("Authorization") == "" {
		t.Errorf("got %s", f.list())
	}
	again := step{status: 308, header: map[string]string{"Location": "/loop"}}
	c, _ = newFake(t, nil, again, again)
	_, err = c.Get(t.Context(), engine.User, "1")
	wantError(t, err, engine.OutcomeQuarantine, engine.CodeBadResponse)
}

func Test86RedirectsToOthersGetNoCredentials(t *testing.T) {
	var stolen http.Header
	thief, ff := newFake(t, nil)
	_ = thief
	ff.rest = func(s seen) step { stolen = s.header; return none }
	for _, status := range []int{301, 302, 303, 307, 308} {
		c, _ := newFake(t, nil, step{status: status, header: map[string]string{"Location": ff.srv.URL + "/scim/Users"}})
		_, _, err := c.Find(t.Context(), engine.User, noorBy)
		wantError(t, err, engine.OutcomeQuarantine, engine.CodeBadResponse)
	}
	if stolen != nil {
		t.Errorf("another origin was asked, with %v", stolen)
	}
}

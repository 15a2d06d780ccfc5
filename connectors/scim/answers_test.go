package scim

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"fmt"
	"net/http"
	"reflect"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/scimsync/scimsync/engine"
)

var testLimits = limits{depth: 64, items: 100_000, names: 10_000}

func Test79FormsOfErrors(t *testing.T) {
	for _, c := range []struct {
		body             string
		scimType, detail string
	}{
		{`{"schemas":["` + errorURN + `"],"status":"409","scimType":"uniqueness","detail":"taken"}`, "uniqueness", "taken"},
		{`{"SCIMTYPE":"UNIQUENESS","Detail":"taken","status":409}`, "uniqueness", "taken"},
		{`{"response":{"scimType":"invalidPath","detail":"bad"}}`, "invalidPath", "bad"},
		{`{"error":{"detail":"inner"}}`, "", "inner"},
		{`{"Error":{"Message":"inner"}}`, "", "inner"},
		{`{"errors":[{"detail":"first"},{"detail":"second"}]}`, "", "first"},
		{`{"Errors":[{"description":"old style","code":"400"}]}`, "", "old style"},
		{`{"detail":{"detail":{"b":1,"a":"x"}}}`, "", `{"detail":{"a":"x","b":1}}`},
		{`{"urn:scim:schemas:extension:cisco:webexidentity:api:messages:2.0:Error":{"trackingId":"T_1","errorCode":"400007","details":"bad name"},"detail":""}`, "", "bad name"},
		{`{"error":"invalid_token","error_description":"expired"}`, "", "expired"},
		{`{"error":"invalid_token"}`, "", "invalid_token"},
		{`{"timestamp":"x","status":400,"error":"Bad Request","message":"spring"}`, "", "spring"},
		{`{"title":"a problem","type":"about:blank"}`, "", "a problem"},
		{`{"scimType":"notImplemented","detail":"later"}`, "", "notImplemented later"},
		{`[{"detail":"in a list"}]`, "", "in a list"},
		{`"just text"`, "", "just text"},
		{`plain text`, "", "plain text"},
		{`<html><head><TITLE>502 &amp; more</TITLE></head>`, "", "a web page came back, probably from a login page or a proxy: 502 & more"},
		{`<html>`, "", "a web page came back, probably from a login page or a proxy"},
		{"", "", ""},
		{strings.Repeat("x", 299) + "é", "", strings.Repeat("x", 299)},
		{`{"detail":null,"status":null}`, "", ""},
	} {
		got := parseError([]byte(c.body))
		if got.scimType != c.scimType || got.detail != c.detail {
			t.Errorf("%s:\n got %q %q\nwant %q %q", c.body, got.scimType, got.detail, c.scimType, c.detail)
		}
	}
}

func Test80and81StatusLineDecides(t *testing.T) {
	c, _ := newFake(t, nil, step{status: 403, body: `{"status":"404","detail":"who knows"}`}, step{status: 400, body: "<html><title>Bad</title>"})
	_, err := c.Get(t.Context(), engine.User, id)
	if te := wantError(t, err, engine.OutcomeEscrow, engine.CodeForbidden); te.Status != 403 {
		t.Errorf("got status %d", te.Status)
	}
	_, err = c.Get(t.Context(), engine.User, id)
	te := wantError(t, err, engine.OutcomeEscrow, engine.CodeUnprocessable)
	if !strings.Contains(te.Detail, "web page") {
		t.Errorf("got %q", te.Detail)
	}
}

func Test89SecretsInErrors(t *testing.T) {
	echo := "token s3cret-token was refused\x1b[31m " + strings.Repeat("long ", 500)
	c, f := newFake(t, nil, refused(400, "", echo), refused(400, "", echo))
	_, err := c.Get(t.Context(), engine.User, "noor@fabrikon.example")
	te := wantError(t, err, engine.OutcomeEscrow, engine.CodeUnprocessable)
	if strings.Contains(te.Detail, "s3cret") || strings.Contains(te.Detail, "\x1b") || len([]rune(te.Detail)) > maxDetail {
		t.Errorf("detail of %d characters: %.80q", len(te.Detail), te.Detail)
	}
	_, _, _ = c.Find(t.Context(), engine.User, byUserName("noor@fabrikon.example"))
	var logged strings.Builder
	for _, e := range f.log.All() {
		fmt.Fprintf(&logged, "%s %v\n", e.Message, e.ContextMap())
	}
	for _, never := range []string{"s3cret", "noor", "fabrikon", "refused", f.srv.URL} {
		if strings.Contains(logged.String()+te.Error(), never) {
			t.Errorf("the log shows %q:\n%s", never, logged.String())
		}
	}
	if !strings.Contains(logged.String(), "/Users/{id}") {
		t.Errorf("the log names no template:\n%s", logged.String())
	}
	if s := fmt.Sprintf("%v %+v %#v", c.set.Config, c.set.Auth, c.set.Auth); strings.Contains(s, "s3cret") {
		t.Errorf("the configuration prints its secret: %s", s)
	}
}

func Test88HostileAnswers(t *testing.T) {
	var bomb bytes.Buffer
	z := gzip.NewWriter(&bomb)
	_, _ = z.Write(bytes.Repeat([]byte(" "), 2<<20))
	_ = z.Close()
	for name, c := range map[string]struct {
		answer http.HandlerFunc
	}{
		"gzip bomb": {func(w http.ResponseWriter, r *http.Request) {
			if !strings.Contains(r.Header.Get("Accept-Encoding"), "gzip") {
				t.Error("compression is not offered")
			}
			w.Header().Set("Content-Encoding", "gzip")
			_, _ = w.Write(bomb.Bytes())
		}},
		"endless body": {func(w http.ResponseWriter, r *http.Request) {
			for {
				if _, err := w.Write(make([]byte, 4096)); err != nil {
					return
				}
			}
		}},
		"nesting":      {func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, `{"id":`, strings.Repeat("[", 1000_000)) }},
		"many members": {func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, manyMembers(10_001)) }},
		"announced":    {func(w http.ResponseWriter, r *http.Request) { w.Header().Set("Content-Length", "999999999999") }},
	} {
		cl, _ := newFake(t, func(cfg *Config) { cfg.Limits.BodyBytes = 1 << 20 }, step{do: c.answer})
		_, err := cl.Get(t.Context(), engine.User, id)
		if te, ok := err.(*engine.TargetError); !ok || te.Code != engine.CodeBadResponse {
			t.Errorf("%s: got %v, want a bad response", name, err)
		}
	}
	// A create that was answered with too much is found by its Location.
	c, _ := newFake(t, func(cfg *Config) { cfg.Limits.BodyBytes = 64 }, step{status: 201, header: map[string]string{"Location": "/Users/77"}, body: strings.Repeat(" ", 100)})
	if made := mustMake(t, c); made.ID != "77" {
		t.Errorf("got %q", made.ID)
	}
}

func manyMembers(n int) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, `,"a%d":1`, i)
	}
	return `{"id":"48c1"` + b.String() + "}"
}

// TestLenientReading is the table of section 10.3.
func TestLenientReading(t *testing.T) {
	for _, c := range []struct {
		name, body string
		want       map[string]any
	}{
		{"names in any case", `{"ID":"1","USERNAME":"x","Name":{"GIVENNAME":"a"},"EMAILS":[{"VALUE":"m","Type":"work"}]}`,
			map[string]any{"userName": "x", "name": map[string]any{"givenName": "a"}, "emails": []any{map[string]any{"value": "m", "type": "work"}}}},
		{"URN in any case", `{"URN:IETF:params:scim:schemas:extension:enterprise:2.0:user":{"DEPARTMENT":"d"}}`,
			map[string]any{enterpriseURN: map[string]any{"department": "d"}}},
		{"booleans", `{"active":"True","emails":[{"value":"a","primary":1},{"value":"b","primary":"false"}]}`,
			map[string]any{"active": true, "emails": []any{map[string]any{"value": "a", "primary": true}, map[string]any{"value": "b", "primary": false}}}},
		{"active 0", `{"active":0}`, map[string]any{"active": false}},
		{"strings as mails", `{"emails":["x@y.example",""]}`, map[string]any{"emails": []any{map[string]any{"value": "x@y.example"}}}},
		{"one object for a list", `{"emails":{"value":"x"}}`, map[string]any{"emails": []any{map[string]any{"value": "x"}}}},
		{"list for one object", `{"name":[{"givenName":"a"}]}`, map[string]any{"name": map[string]any{"givenName": "a"}}},
		{"manager as text", `{"` + enterpriseURN + `":{"manager":"m1"}}`, map[string]any{enterpriseURN: map[string]any{"manager": map[string]any{"value": "m1"}}}},
		{"manager as list", `{"` + enterpriseURN + `":{"manager":[{"$ref":"u","value":9007199254740993}]}}`,
			map[string]any{enterpriseURN: map[string]any{"manager": map[string]any{"value": "9007199254740993", "$ref": "u"}}}},
		{"enterprise at the top", `{"department":"d","manager":{"value":"m"}}`, map[string]any{enterpriseURN: map[string]any{"department": "d", "manager": map[string]any{"value": "m"}}}},
		{"the extension wins", `{"department":"top","` + enterpriseURN + `":{"department":"ext"}}`, map[string]any{enterpriseURN: map[string]any{"department": "ext"}}},
		{"dotted names", `{"name.givenName":"a","name":{"familyName":"b"}}`, map[string]any{"name": map[string]any{"givenName": "a", "familyName": "b"}}},
		{"URN and attribute in one", `{"` + enterpriseURN + `:department":"d","urn:x:2.0:User:berth":7}`,
			map[string]any{enterpriseURN: map[string]any{"department": "d"}, "urn:x:2.0:User": map[string]any{"berth": int64(7)}}},
		{"core URN", `{"` + userURN + `":{"userName":"x"}}`, map[string]any{"userName": "x"}},
		{"nothing", `{"title":null,"nickName":"","emails":[],"name":{},"roles":[{}],"` + enterpriseURN + `":{"division":null}}`, map[string]any{}},
		{"duplicates", `{"title":"a","title":"b"}`, map[string]any{"title": "b"}},
		{"unknown", `{"x-custom":{"A":[1,2.5,true,null]},"a.b":"c"}`, map[string]any{"x-custom": map[string]any{"A": []any{int64(1), 2.5, true, nil}}, "a.b": "c"}},
		{"schemas and members are left out", `{"schemas":"` + userURN + `","members":[{"value":"1"}],"displayName":"g"}`, map[string]any{"displayName": "g"}},
		{"simple in a list of one", `{"title":["a"]}`, map[string]any{"title": "a"}},
	} {
		got, err := parseResource([]byte(c.body), engine.User, testLimits)
		if err != nil {
			t.Errorf("%s: %v", c.name, err)
			continue
		}
		if d := cmp.Diff(c.want, got.Attributes); d != "" {
			t.Errorf("%s (-want +got):\n%s", c.name, d)
		}
	}
	for _, bad := range []string{`{"a":1,}`, `{"a":1} // no`, `{/* */}`, `{a:1}`, `{"a":01}`, `{"a":+1}`, `{"a":.5}`, `{"a":1.}`, `{"a":tru}`, `{"a":"` + "\n" + `"}`, `{"a":"\x"}`, `{`, `{"a"`, `{}{}`, "{}\xef\xbb\xbf", `'a'`, `NaN`} {
		if v, err := parseJSON([]byte(bad), testLimits); err == nil {
			t.Errorf("%q was read as %v", bad, v)
		}
	}
}

func TestReadsByID(t *testing.T) {
	for _, c := range []struct {
		name    string
		answer  step
		outcome engine.Outcome
		code    engine.Code
	}{
		{"list of one", ok(list(noorJSON)), "", ""},
		{"list of several", ok(list(noorJSON, noorJSON)), engine.OutcomeEscrow, engine.CodeMultipleInRead},
		{"empty list", none, engine.OutcomeRematch, engine.CodeGone},
		{"another id", ok(`{"id":"48C1"}`), engine.OutcomeEscrow, engine.CodeBadResponse},
		{"no id", ok(`{"userName":"x"}`), engine.OutcomeEscrow, engine.CodeBadResponse},
		{"array", ok(`[]`), engine.OutcomeEscrow, engine.CodeBadResponse},
		{"no content", step{status: 204}, engine.OutcomeEscrow, engine.CodeBadResponse},
		{"gone", step{status: 410}, engine.OutcomeRematch, engine.CodeGone},
		{"hidden error", ok(`{"schemas":["` + errorURN + `"],"status":404,"detail":"no"}`), engine.OutcomeRematch, engine.CodeGone},
		{"304", step{status: 304}, engine.OutcomeEscrow, engine.CodeBadResponse},
		{"media type with swapped words", step{status: 200, header: map[string]string{"Content-Type": "application/json+scim"}, body: noorJSON}, "", ""},
	} {
		cl, _ := newFake(t, nil, c.answer)
		r, err := cl.Get(t.Context(), engine.User, id)
		if c.outcome == "" {
			if err != nil || r.ID != id {
				t.Errorf("%s: got %v, %v", c.name, r, err)
			}
			continue
		}
		te, ok := err.(*engine.TargetError)
		if !ok || te.Outcome != c.outcome || te.Code != c.code {
			t.Errorf("%s: got %v, want %s %s", c.name, err, c.outcome, c.code)
		}
	}
}

func TestMediaTypes(t *testing.T) {
	const ours, bare, plain = "application/scim+json; charset=utf-8", "application/scim+json", "application/json"
	for _, c := range []struct {
		profile  Profile
		refusals []int
		want     []string // the last for good
	}{
		{Entra, []int{406}, []string{ours, plain}},
		{Entra, []int{415}, []string{ours, bare}},
		{Entra, []int{415, 415}, []string{ours, bare, plain}},
		{RFC7644, []int{415}, []string{bare, plain}},
	} {
		var script []step
		for _, status := range c.refusals {
			script = append(script, refused(status, "", "no"))
		}
		client, f := newFake(t, func(cfg *Config) { cfg.Profile = c.profile }, append(script, created(noorJSON), created(noorJSON))...)
		mustMake(t, client)
		mustMake(t, client)
		got := f.sent()
		for i, want := range append(c.want, c.want[len(c.want)-1]) {
			if ct := got[i].header.Get("Content-Type"); ct != want {
				t.Errorf("%s %v: request %d has %q, want %q", c.profile, c.refusals, i, ct, want)
			}
			accept := "application/scim+json, application/json;q=0.8"
			if want == plain {
				accept = plain
			}
			if a := got[i].header.Get("Accept"); a != accept {
				t.Errorf("%s %v: request %d accepts %q", c.profile, c.refusals, i, a)
			}
		}
	}
}

func TestSchemasOfTheOtherProfile(t *testing.T) {
	no := refused(400, "invalidSyntax", "unknown schemas")
	c, f := newFake(t, nil, no, created(noorJSON))
	made, err := c.Create(t.Context(), engine.Group, []engine.Value{val("displayName", "g")}, nil)
	noError(t, err)
	if got := f.sent()[1].body; made.ID == "" || strings.Contains(got, adGroupURN) {
		t.Errorf("got %s", got)
	}
}

// FuzzParse compares the reader with encoding/json, and makes sure that what any answer is read
// into can be written and read again.
func FuzzParse(f *testing.F) {
	for _, s := range []string{noorJSON, list(noorJSON), `{"a":[1,2.5e-3,-0,true,null,"\u00e9\ud83d\ude00\ud83d"]}`, `[[[]]]`, `{"id":9007199254740993}`,
		`{"name.givenName":"x","urn:a:b":{"c":1},"urn:a:b:d":2,"manager":["x"]}`, `{"schemas":["` + errorURN + `"],"Errors":[{"description":"x"}]}`, "<html>", ""} {
		f.Add([]byte(s))
	}
	f.Add([]byte(bom + noorJSON))
	f.Fuzz(func(t *testing.T, body []byte) {
		got, err := parseJSON(body, limits{depth: 64, items: 1 << 20, names: 1 << 20})
		body = bytes.TrimPrefix(body, []byte(bom))
		if json.Valid(body) != (err == nil) && err != errTooDeep {
			t.Fatalf("%q: encoding/json says %t, we say %v", body, json.Valid(body), err)
		}
		if err == nil {
			d := json.NewDecoder(bytes.NewReader(body))
			d.UseNumber()
			var want any
			if err := d.Decode(&want); err == nil && !reflect.DeepEqual(asStandard(got), want) {
				t.Fatalf("%q: got %#v, want %#v", body, got, want)
			}
		}
		for _, k := range []engine.Kind{engine.User, engine.Group} {
			r, err := parseResource(body, k, testLimits)
			if err != nil {
				continue
			}
			// What is written is read as the same; only numbers change their form the first time.
			var written [2]string
			for i := range written {
				text := appendResource(nil, k, r.Attributes, []string{userURN})
				if r, err = parseResource(text, k, testLimits); err != nil {
					t.Fatalf("%q: what was read cannot be written: %v", body, err)
				}
				written[i] = string(appendResource(nil, k, r.Attributes, nil))
			}
			if written[0] != written[1] {
				t.Fatalf("%q is read as %s, and that as %s", body, written[0], written[1])
			}
		}
		_, _ = parsePage(body, engine.User, testLimits)
		_ = parseError(body)
		_ = count(got)
	})
}

// asStandard turns our numbers into those of encoding/json.
func asStandard(v any) any {
	switch v := v.(type) {
	case number:
		return json.Number(v)
	case []any:
		out := make([]any, len(v))
		for i := range v {
			out[i] = asStandard(v[i])
		}
		return out
	case object:
		out := make(map[string]any, len(v))
		for _, f := range v {
			out[f.name] = asStandard(f.value)
		}
		return out
	}
	return v
}

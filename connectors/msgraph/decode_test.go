package msgraph

import (
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/scimsync/scimsync/engine"
)

func bareSource(tb testing.TB) *Source {
	tb.Helper()
	src, err := New(Config{AccessToken: engine.NewSecret("a-token"), Endpoint: "http://127.0.0.1:1/v1.0", Scope: engine.ScopeAll,
		Select: Select{Users: []string{"department", "givenName", "surname", "jobTitle", "businessPhones"}, Manager: true}}, nil, nil)
	if err != nil {
		tb.Fatal(err)
	}
	return src
}

func pageOf(src *Source, body []byte) *answer {
	return &answer{status: 200, header: http.Header{"Content-Type": {"application/json"}}, body: body, url: src.root}
}

// Whatever a page holds, it is understood or refused, and what is understood is well-formed.
func FuzzPage(f *testing.F) {
	src := bareSource(f)
	for _, seed := range []string{
		`{"value":[],"@odata.deltaLink":"http://127.0.0.1:1/v1.0/users/delta?$deltatoken=1"}`,
		`{"value":[{"id":"A","displayName":"x","manager@delta":[{"id":"b"},{"id":"c","@removed":{"reason":"deleted"}}]},{"id":"a","@removed":{"reason":"changed"}}],"@odata.nextLink":"/v1.0/x"}`,
		`{"value":[{"id":"g","members@delta":[{"@odata.type":"#microsoft.graph.user","id":"u"},{"id":"v","@removed":{}}],"securityEnabled":true}],"@odata.nextLink":"?x"}`,
		`{"value":[{"id":1}]}`, `{"value":{}}`, `{"value":[null],"@odata.nextLink":5}`, `{"value":[{"id":"a","businessPhones":[1e999,{"a":[]}]}],"@odata.nextLink":"//evil.example/x"}`,
		"\xef\xbb\xbf{}", `[]`, ``, `{"value":[]}{}`,
	} {
		f.Add([]byte(seed), true)
		f.Add([]byte(seed), false)
	}
	f.Fuzz(func(t *testing.T, body []byte, users bool) {
		k := engine.Group
		if users {
			k = engine.User
		}
		r := newRound(src, k, true, position{})
		l, err := src.readList(pageOf(src, body))
		if err == nil {
			err = r.check(l)
		}
		var d *damaged
		var se *engine.SourceError
		if err != nil {
			if !errors.As(err, &d) && !errors.As(err, &se) {
				t.Fatalf("an error of no class: %v", err)
			}
			return
		}
		for _, link := range []string{l.next, l.delta} {
			if link != "" && !strings.HasPrefix(strings.ToLower(link), "http://127.0.0.1:1") {
				t.Errorf("a link to %q was accepted", link)
			}
		}
		p, err := r.page(l)
		if err != nil {
			t.Fatal(err)
		}
		for _, o := range p.Objects {
			if o.ID == "" || o.ID != strings.ToLower(o.ID) || o.State == "" || o.Kind != k {
				t.Errorf("object %+v", o)
			}
		}
		for _, e := range p.Edges {
			if e.From.ID == "" || e.To.ID == "" || e.To.Kind == "" {
				t.Errorf("edge %+v", e)
			}
		}
		c, err := position{Link: "x", Memory: r.memory(), Now: r.now.list()}.cursor()
		if err != nil || c == "" {
			t.Errorf("cursor: %v", err)
		}
	})
}

func BenchmarkPageOfUsers(b *testing.B) {
	src := bareSource(b)
	var items []string
	for i := range 200 {
		items = append(items, fmt.Sprintf(`{"id":"5b0e7f4a-1c5e-4b0e-9d55-3f0c2a6d%04x","userPrincipalName":"user%d@example.test","accountEnabled":true,"userType":"Member",
			"mail":"user%d@example.test","displayName":"User %d","department":"Sales","givenName":"User","surname":"Number","jobTitle":"Engineer","businessPhones":["+1 555"],
			"manager@delta":[{"@odata.type":"#microsoft.graph.user","id":"0c7f1a90-55d2-4f16-8a0c-9b7d7e3f2202"}]}`, i, i, i, i))
	}
	body := []byte(`{"value":[` + strings.Join(items, ",") + `],"@odata.nextLink":"http://127.0.0.1:1/v1.0/users/delta?$skiptoken=1"}`)
	b.SetBytes(int64(len(body)))
	b.ReportAllocs()
	r := newRound(src, engine.User, true, position{})
	for b.Loop() {
		l, err := src.readList(pageOf(src, body))
		if err != nil {
			b.Fatal(err)
		}
		if err := r.check(l); err != nil {
			b.Fatal(err)
		}
		if _, err := r.page(l); err != nil {
			b.Fatal(err)
		}
	}
}

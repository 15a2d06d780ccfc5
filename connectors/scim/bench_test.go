package scim

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"go.uber.org/zap"

	"github.com/scimsync/scimsync/engine"
	"github.com/scimsync/scimsync/mapping"
)

const createdNoor = `{"schemas":["urn:ietf:params:scim:schemas:core:2.0:User","urn:ietf:params:scim:schemas:extension:enterprise:2.0:User"],"id":"2819c223-7f76-453a-919d-413861904646","externalId":"noor.ahlgren","userName":"noor.ahlgren@fabrikon.example","active":true,"displayName":"Noor Ahlgren","emails":[{"primary":true,"type":"work","value":"noor.ahlgren@fabrikon.example"}],"name":{"familyName":"Ahlgren","givenName":"Noor"},"title":"Harbour pilot","urn:ietf:params:scim:schemas:extension:enterprise:2.0:User":{"department":"Pilotage","employeeNumber":"10442"},"meta":{"resourceType":"User","created":"2026-03-01T12:00:00Z","lastModified":"2026-03-01T12:00:00Z","location":"https://scim.example.net/scim/Users/2819c223-7f76-453a-919d-413861904646","version":"W/\"1\""}}`

// BenchmarkCreateCodec is the work of a create beside the network: encode the request, decode the answer.
func BenchmarkCreateCodec(b *testing.B) {
	set, err := resolve(Config{BaseURL: "https://x.example", Auth: Auth{Type: "bearer", Token: engine.NewSecret("token")}})
	if err != nil {
		b.Fatal(err)
	}
	c := &Client{set: set}
	c.lessons.start(set.start)
	values := noor()
	answer := []byte(createdNoor)
	b.ReportAllocs()
	for b.Loop() {
		cr := &creating{c: c, k: engine.User, values: values, matching: noorBy, doc: mapping.Build(values), sh: c.lessons.current()}
		if len(cr.body()) == 0 {
			b.Fatal("no body")
		}
		r, err := parseResource(answer, engine.User, set.limits)
		if err != nil || r.ID == "" {
			b.Fatal(err)
		}
		cr.assumed(r.Attributes)
	}
}

func BenchmarkPatchBody(b *testing.B) {
	set := settings{Config: Config{Profile: Entra}}
	sh := startShape(&set)
	list := []engine.AttributeChange{promote, chg(workMail, "a", "b"), chg(department, "c", "d")}
	b.ReportAllocs()
	for b.Loop() {
		if len(appendPatch(make([]byte, 0, 512), render(list, &sh, "remove"), &sh)) == 0 {
			b.Fatal("no body")
		}
	}
}

// pump answers every create at once.
func pump(b *testing.B) *httptest.Server {
	var n atomic.Int64
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		w.Header().Set("Content-Type", "application/scim+json")
		w.WriteHeader(http.StatusCreated)
		_, _ = io.WriteString(w, strings.Replace(createdNoor, "2819c223", strconv.FormatInt(n.Add(1), 10), 1))
	}))
	b.Cleanup(srv.Close)
	return srv
}

// BenchmarkCreateLoopback measures creates against a server that answers at once, with as many
// callers as a cycle has; BenchmarkRawPump is what bare HTTP does there.
func BenchmarkCreateLoopback(b *testing.B) {
	srv := pump(b)
	c, err := New(Config{BaseURL: srv.URL + "/scim", Auth: Auth{Type: "bearer", Token: engine.NewSecret("token")}}, nil, zap.NewNop())
	if err != nil {
		b.Fatal(err)
	}
	template := noor()
	parallel(b, func(i int) error {
		values := make([]engine.Value, len(template))
		copy(values, template)
		values[0].Value = fmt.Sprintf("user%d@fabrikon.example", i)
		_, err := c.Create(b.Context(), engine.User, values, values[:1])
		return err
	})
	if n := c.TakeRequests(); n.Sent != b.N {
		b.Errorf("%d requests for %d users", n.Sent, b.N)
	}
}

func BenchmarkRawPump(b *testing.B) {
	srv := pump(b)
	t := http.DefaultTransport.(*http.Transport).Clone()
	t.MaxIdleConnsPerHost = 32
	hc := &http.Client{Transport: t}
	parallel(b, func(i int) error {
		res, err := hc.Post(srv.URL+"/scim/Users", "application/scim+json", strings.NewReader(createdNoor))
		if err != nil {
			return err
		}
		defer res.Body.Close()
		_, err = io.Copy(io.Discard, res.Body)
		return err
	})
}

func parallel(b *testing.B, call func(i int) error) {
	b.ReportAllocs()
	b.ResetTimer()
	var next atomic.Int64
	var wg sync.WaitGroup
	for range 32 {
		wg.Go(func() {
			for i := next.Add(1); i <= int64(b.N); i = next.Add(1) {
				if err := call(int(i)); err != nil {
					b.Error(err)
					return
				}
			}
		})
	}
	wg.Wait()
}

package graphtest

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

// A client asks the sandbox without a network.
type client struct {
	t     testing.TB
	s     *Server
	token string
}

func start(t testing.TB, o Options) (*Server, *client) {
	s := New(o)
	return s, &client{t, s, "secret"}
}

func calm() *Settings {
	s := Calm()
	return &s
}

const host = "http://graph.test"

type reply struct {
	status int
	header http.Header
	raw    string
	body   map[string]any
}

func (r reply) code() string {
	e, _ := r.body["error"].(map[string]any)
	c, _ := e["code"].(string)
	return c
}

func (r reply) value() []map[string]any {
	list, _ := r.body["value"].([]any)
	var out []map[string]any
	for _, v := range list {
		m, _ := v.(map[string]any)
		out = append(out, m)
	}
	return out
}

func (r reply) link(name string) string {
	l, _ := r.body["@odata."+name].(string)
	return l
}

func (c *client) do(method, url, body string, header ...string) reply {
	c.t.Helper()
	if strings.HasPrefix(url, "/") {
		url = host + url
	}
	req := httptest.NewRequest(method, strings.ReplaceAll(url, " ", "%20"), strings.NewReader(body))
	if c.token != "" {
		req.Header.Set("Authorization", "Bearer "+c.token)
	}
	for i := 0; i < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	w := httptest.NewRecorder()
	c.s.ServeHTTP(w, req)
	res := w.Result()
	raw, err := io.ReadAll(res.Body)
	if err != nil {
		c.t.Fatal(err)
	}
	r := reply{status: res.StatusCode, header: res.Header, raw: string(raw)}
	if err := json.Unmarshal(raw, &r.body); err != nil && len(raw) > 0 && strings.Contains(res.Header.Get("Content-Type"), "json") && res.StatusCode < 300 {
		c.t.Logf("%s %s: body is not JSON: %v", method, url, err)
	}
	return r
}

func (c *client) get(url string, header ...string) reply {
	c.t.Helper()
	return c.do("GET", url, "", header...)
}

// want fails the test unless the answer has the status.
func (r reply) want(t testing.TB, status int) reply {
	t.Helper()
	if r.status != status {
		t.Fatalf("status %d, want %d: %s", r.status, status, r.raw)
	}
	return r
}

// drain follows nextLinks to the end and returns all items and the deltaLink.
func (c *client) drain(url string) (items []map[string]any, delta string) {
	c.t.Helper()
	for range 10000 {
		r := c.get(url).want(c.t, 200)
		items = append(items, r.value()...)
		next, d := r.link("nextLink"), r.link("deltaLink")
		if next == "" {
			return items, d
		}
		if d != "" {
			c.t.Fatalf("page with both links: %s", r.raw)
		}
		url = next
	}
	c.t.Fatal("no end after 10000 pages")
	return nil, ""
}

func brief(items []map[string]any) string {
	var b strings.Builder
	for _, i := range items {
		j, err := json.Marshal(i)
		if err != nil {
			return err.Error()
		}
		fmt.Fprintf(&b, "%s\n", j)
	}
	return b.String()
}

// bare is get without looking at the answer, for measuring.
func (c *client) bare(url string) string {
	if strings.HasPrefix(url, "/") {
		url = host + url
	}
	req := httptest.NewRequest("GET", url, nil)
	req.Header.Set("Authorization", "Bearer x")
	w := httptest.NewRecorder()
	c.s.ServeHTTP(w, req)
	if w.Code != 200 {
		c.t.Fatalf("%s: %d", url, w.Code)
	}
	return w.Body.String()
}

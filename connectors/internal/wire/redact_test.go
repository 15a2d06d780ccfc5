package wire_test

import (
	"errors"
	"net/url"
	"strings"
	"testing"

	"github.com/scimsync/scimsync/connectors/internal/wire"
)

func TestRedactorTakesSecretsOut(t *testing.T) {
	t.Parallel()
	var r wire.Redactor
	r.Add("s3cr/t value+1")
	r.Add("abc") // too short to be told from ordinary text
	for _, in := range []string{
		"you sent s3cr/t value+1 to us",
		"q=" + url.QueryEscape("s3cr/t value+1"),
		"p/" + url.PathEscape("s3cr/t value+1"),
		"Authorization: Basic czNjci90IHZhbHVlKzE=",
		"bearer abcdefgh12345678",
		"token eyJhbGciOiJub25lIn0.eyJzdWIiOiJ4In0.sig",
		`{"client_secret": "hunter2hunter2"}`,
	} {
		got := r.Text(in, 200)
		for _, bad := range []string{"s3cr", "czNj", "abcdefgh1", "eyJ", "hunter2"} {
			if strings.Contains(got, bad) {
				t.Errorf("Text(%q) = %q still holds %q", in, got, bad)
			}
		}
		if !strings.Contains(got, "[redacted]") {
			t.Errorf("Text(%q) = %q does not show that something was taken out", in, got)
		}
	}
	if got := r.Text("abc is no secret\r\nhere\x00", 200); got != "abc is no secret here" {
		t.Errorf("ordinary text: got %q", got)
	}
}

func TestClip(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{"": "", "five5": "five5", "sixsix": "sixs…", "ééé": "ééé", "éééééé": "éééé…"} {
		if got := wire.Clip(in, 5); got != want {
			t.Errorf("Clip(%q, 5) = %q, want %q", in, got, want)
		}
	}
}

func TestFilterHashesValues(t *testing.T) {
	t.Parallel()
	got := wire.Filter(`userName eq "o\"neil" and id eq 'it''s'`)
	want := `userName eq "#` + wire.Hash(`o\"neil`) + `" and id eq '#` + wire.Hash(`it''s`) + `'`
	if got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

func TestSameOrigin(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		a, b string
		want bool
	}{
		{"https://graph.example/v1.0", "HTTPS://Graph.Example:443/other?x=1", true},
		{"https://graph.example/v1.0", "http://graph.example/v1.0", false},
		{"https://graph.example/v1.0", "https://graph.example:8443/v1.0", false},
		{"https://graph.example/v1.0", "https://graph.example.evil.example/v1.0", false},
		{"https://graph.example/v1.0", "https://user@graph.example/v1.0", false},
	} {
		a, errA := url.Parse(c.a)
		b, errB := url.Parse(c.b)
		if err := errors.Join(errA, errB); err != nil {
			t.Fatal(err)
		}
		if got := wire.SameOrigin(a, b); got != c.want {
			t.Errorf("SameOrigin(%s, %s) = %v", c.a, c.b, got)
		}
	}
}

func TestLoopback(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]bool{"http://127.0.0.1:1": true, "http://[::1]:1": true, "http://localhost": true,
		"http://127.0.0.1.example": false, "http://10.0.0.1": false, "http://localhost.example": false} {
		u, err := url.Parse(in)
		if err != nil {
			t.Fatal(err)
		}
		if got := wire.Loopback(u); got != want {
			t.Errorf("Loopback(%s) = %v", in, got)
		}
	}
}

func TestCheckDepth(t *testing.T) {
	t.Parallel()
	for in, deep := range map[string]bool{`{"a":[1,{"b":2}]}`: false, `[[[[1]]]]`: true, `["[[[[[","\"[[[["]`: false} {
		if got := errors.Is(wire.CheckDepth([]byte(in), 3), wire.ErrTooDeep); got != deep {
			t.Errorf("CheckDepth(%s, 3): too deep is %v", in, got)
		}
	}
}

package test

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/emersion/go-smtp"

	"github.com/scimsync/scimsync/cmd/scimsync/web"
	"github.com/scimsync/scimsync/connectors/msgraph/graphtest"
	"github.com/scimsync/scimsync/connectors/scim/scimtest"
	"github.com/scimsync/scimsync/engine"
)

// postOffice is a real SMTP server on loopback that keeps what it takes.
type postOffice struct {
	mu    sync.Mutex
	mails []string
}

func (p *postOffice) NewSession(*smtp.Conn) (smtp.Session, error) { return letterbox{p}, nil }

func (p *postOffice) taken() []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return append([]string(nil), p.mails...)
}

type letterbox struct{ p *postOffice }

func (letterbox) Mail(string, *smtp.MailOptions) error { return nil }
func (letterbox) Rcpt(string, *smtp.RcptOptions) error { return nil }
func (letterbox) Reset()                               {}
func (letterbox) Logout() error                        { return nil }
func (b letterbox) Data(r io.Reader) error {
	text, err := io.ReadAll(r)
	b.p.mu.Lock()
	defer b.p.mu.Unlock()
	b.p.mails = append(b.p.mails, string(text))
	return err
}

func newPostOffice(t *testing.T) (*postOffice, string) {
	p := &postOffice{}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := smtp.NewServer(p)
	go s.Serve(l) // ends with an error that only says that it was closed
	t.Cleanup(func() { s.Close() })
	return p, l.Addr().String()
}

// hook keeps the webhooks that carry a signature that verifies, and fails the test for others.
type hook struct {
	t      *testing.T
	mu     sync.Mutex
	bodies []map[string]any
}

const hookSecret = "a-secret-of-the-test"

func (h *hook) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		h.t.Errorf("webhook: %v", err)
	}
	mac := hmac.New(sha256.New, []byte(hookSecret))
	fmt.Fprintf(mac, "%s.%s.%s", r.Header.Get("Webhook-Id"), r.Header.Get("Webhook-Timestamp"), body)
	want := "v1," + base64.StdEncoding.EncodeToString(mac.Sum(nil))
	if got := r.Header.Get("Webhook-Signature"); got != want {
		h.t.Errorf("signature %q, want %q", got, want)
	}
	var doc map[string]any
	if err := json.Unmarshal(body, &doc); err != nil {
		h.t.Errorf("webhook: %v in %s", err, body)
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	h.bodies = append(h.bodies, doc)
}

func (h *hook) types() []string {
	h.mu.Lock()
	defer h.mu.Unlock()
	var out []string
	for _, b := range h.bodies {
		out = append(out, fmt.Sprint(b["type"]))
	}
	return out
}

// serviceLog is the process log of a service, in the folder of its site.
const serviceLog = "service.log"

func (s *site) read(name string) []byte {
	s.t.Helper()
	data, err := os.ReadFile(filepath.Join(s.folder, name))
	if err != nil {
		s.t.Fatal(err)
	}
	return data
}

// serving runs the service until the end of the test and returns a client of its API.
func (s *site) serving() *web.Client {
	s.t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		s.t.Fatal(err)
	}
	address := l.Addr().String()
	l.Close()
	s.write(strings.Replace(s.config, `server: {listen: ""}`, fmt.Sprintf(`server: {listen: %q}`, address), 1))
	ctx, stop := context.WithCancel(context.WithoutCancel(s.t.Context()))
	cmd := s.command("run")
	file, err := os.Create(filepath.Join(s.folder, serviceLog))
	if err != nil {
		s.t.Fatal(err)
	}
	cmd.Stderr = file
	if err := cmd.Start(); err != nil {
		s.t.Fatal(err)
	}
	said := func() string { return tail(string(s.read(serviceLog))) }
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	s.t.Cleanup(func() {
		stop()
		if err := cmd.Process.Signal(os.Interrupt); err != nil {
			s.t.Errorf("stop the service: %v", err)
		}
		if err := <-ended; err != nil {
			s.t.Errorf("the service ended with %v\n%s", err, said())
		}
		file.Close()
	})
	for {
		res, err := http.Get("http://" + address + "/readyz")
		if err == nil {
			res.Body.Close()
			if res.StatusCode == http.StatusOK {
				break
			}
		}
		select {
		case err := <-ended:
			ended <- err
			s.t.Fatalf("the service did not start: %v\n%s", err, said())
		case <-ctx.Done():
			s.t.FailNow()
		case <-time.After(50 * time.Millisecond):
		}
	}
	token, err := os.ReadFile(filepath.Join(s.folder, "data", "token"))
	if err != nil {
		s.t.Fatal(err)
	}
	return &web.Client{Base: "http://" + address, Token: engine.NewSecret(strings.TrimSpace(string(token)))}
}

// ended waits for the end of a cycle.
func ended(t *testing.T, c *web.Client, j engine.JobID, id engine.CycleID) web.CycleResult {
	t.Helper()
	for began := time.Now(); ; time.Sleep(50 * time.Millisecond) {
		got, err := c.Cycle(t.Context(), j, id)
		if err == nil && got.State != engine.CycleRunning {
			return got
		}
		if time.Since(began) > 2*time.Minute {
			t.Fatalf("cycle %s did not end: %+v, %v", id, got, err)
		}
	}
}

// newest waits until a job has a cycle that is newer than one, and for its end.
func newest(t *testing.T, c *web.Client, j engine.JobID, than string) web.CycleResult {
	t.Helper()
	for began := time.Now(); time.Since(began) < 2*time.Minute; time.Sleep(50 * time.Millisecond) {
		p, err := c.Cycles(t.Context(), j, web.PageQuery{Top: 1})
		if err != nil {
			t.Fatal(err)
		}
		if len(p.Value) > 0 && p.Value[0].Cycle != than {
			return ended(t, c, j, engine.CycleID(p.Value[0].Cycle))
		}
	}
	t.Fatalf("no cycle after %s", than)
	return web.CycleResult{}
}

// TestServiceHolds is the whole story of an empty answer of the source, as an administrator sees it: 5,000 people
// are provisioned, the assignments come back empty, nobody is disabled, the reason and the remedy are on the screen, in
// the API and in one mail, and what is approved is what happens.
func TestServiceHolds(t *testing.T) {
	t.Parallel()
	post, address := newPostOffice(t)
	hooks := &hook{t: t}
	receiver := httptest.NewServer(hooks)
	t.Cleanup(receiver.Close)
	s := newSite(t, company(5000, 20), scimtest.Options{}, `    notify: {email: [ops@example.test], onFailure: true}
`)
	s.config += fmt.Sprintf("notifications:\n  smtp: {address: %q, from: scimsync@example.test, tls: none}\n  webhooks: [{url: %s, secret: %s}]\n", address, receiver.URL, hookSecret)
	c := s.serving()
	first := newest(t, c, "job", "")
	if first.State != engine.CycleSucceeded || first.Users.Created != 5000 {
		t.Fatalf("the first cycle: %+v", first)
	}
	s.dir.AddFault(graphtest.Fault{Match: graphtest.Match{Path: "/servicePrincipals/{}/appRoleAssignedTo"}, Effect: graphtest.EmptyList})
	var last web.CycleResult
	for range 3 {
		id, err := c.Sync(t.Context(), "job")
		if err != nil {
			t.Fatal(err)
		}
		if last = ended(t, c, "job", id); last.State != engine.CycleHeld || last.Users.Held != 5000 || last.Users.Disabled != 0 {
			t.Fatalf("%+v", last)
		}
	}
	for _, r := range s.app.Users() {
		if !r.Active {
			t.Fatalf("%s is inactive", r.ID)
		}
	}
	// On the screen.
	code, out, errs := s.run("job", "show", "job", "--output", "table")
	if screen := out + errs; !strings.Contains(screen, "looks like an answer cut short") || !strings.Contains(screen, "scimsync job deletions job") {
		t.Errorf("job show ended with %d and names no reason or remedy:\n%s", code, screen)
	}
	// In the API.
	job, err := c.Job(t.Context(), "job")
	if err != nil || job.Status.Quarantine == nil || job.Status.Quarantine.Reason != engine.QuarantineDeletes || !strings.Contains(job.Status.Quarantine.Error.Message, "scimsync job deletions job approve") {
		t.Errorf("the job: %+v, %v", job.Status.Quarantine, err)
	}
	// In one mail, and one webhook.
	for began := time.Now(); len(post.taken()) == 0 && time.Since(began) < time.Minute; {
		time.Sleep(100 * time.Millisecond)
	}
	if mails := post.taken(); len(mails) != 1 || !strings.Contains(mails[0], "job deletions job approve") || !strings.Contains(mails[0], "ops@example.test") {
		t.Errorf("%d mails:\n%s", len(mails), strings.Join(mails, "\n---\n"))
	}
	if got := hooks.types(); len(got) != 1 || got[0] != string(engine.NoticeDeletions) {
		t.Errorf("webhooks: %v", got)
	}
	// Three are approved by id: exactly these.
	list, err := c.Deletions(t.Context(), "job", web.PageQuery{Top: 3})
	if err != nil || list.Waiting < 5000 || len(list.Value) != 3 {
		t.Fatalf("%d wait, %v", list.Waiting, err)
	}
	want := map[string]bool{}
	var ids []string
	for _, h := range list.Value {
		ids, want[h.Target.ID] = append(ids, h.ID), true
	}
	if n, err := c.Approve(t.Context(), "job", web.JudgeRequest{IDs: ids, Comment: "they did leave"}); n != 3 || err != nil {
		t.Fatalf("approved %d, %v", n, err)
	}
	if last = newest(t, c, "job", last.Cycle); last.Users.Disabled != 3 || last.Users.Held != 4997 {
		t.Fatalf("%+v", last)
	}
	for _, r := range s.app.Users() {
		if r.Active == want[r.ID] {
			t.Fatalf("%s is active: %v", r.ID, r.Active)
		}
	}
	// The rest is rejected: nobody.
	if list, err = c.Deletions(t.Context(), "job", web.PageQuery{Top: 1}); err != nil {
		t.Fatal(err)
	}
	if _, err := c.Reject(t.Context(), "job", web.JudgeRequest{Snapshot: list.Snapshot, Comment: "the directory is wrong"}); err != nil {
		t.Fatal(err)
	}
	if last = newest(t, c, "job", last.Cycle); last.Users.Disabled != 0 || last.State != engine.CycleSucceeded {
		t.Fatalf("%+v", last)
	}
	audit, err := c.Audit(t.Context(), web.AuditQuery{Job: "job"})
	if err != nil {
		t.Fatal(err)
	}
	var did []string
	for _, a := range audit {
		did = append(did, a.By+": "+a.Activity)
	}
	for _, line := range []string{"system: Quarantine", "admin: Approve deletions", "admin: Reject deletions"} {
		if !strings.Contains(strings.Join(did, "\n"), line) {
			t.Errorf("the audit lacks %q: %q", line, did)
		}
	}
	if mails := post.taken(); len(mails) > 2 { // the recovery may have been sent by now
		t.Errorf("%d mails", len(mails))
	}
}

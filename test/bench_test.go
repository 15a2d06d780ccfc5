package test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/scimsync/scimsync/connectors/msgraph/graphtest"
	"github.com/scimsync/scimsync/connectors/scim/scimtest"
)

// BenchmarkCycle runs an initial cycle of 10,000 users and 500 groups with about 20,000 memberships,
// beside a raw HTTP pump that sends the same users, groups and memberships to the same application in
// the same run. The ratio of the two is what scimsync costs; absolute times are the machine's.
//
//	go test ./test -run xxx -bench Cycle -benchtime 1x
func BenchmarkCycle(b *testing.B) {
	const users, groups, memberships = 10_000, 500, 20_000
	for b.Loop() {
		s := newSite(b, graphtest.Options{Seed: 11, Population: graphtest.Population{Users: users, Groups: groups, Memberships: memberships, Tidy: true}},
			scimtest.Options{}, "    deletions: {threshold: 0}\n")
		s.write(strings.Replace(s.config, "level: debug", "level: warn", 1))
		began := time.Now()
		cmd := s.command("run", "--once", "--output", "json")
		var out, errw bytes.Buffer
		cmd.Stdout, cmd.Stderr = &out, &errw
		if err := cmd.Run(); err != nil {
			b.Fatalf("%v\n%s", err, tail(errw.String()))
		}
		took := time.Since(began)
		r := s.parse(out.String()).Cycles[0]
		n := s.app.Requests()
		if r.Users["created"] != users {
			b.Fatalf("created %d of %d users", r.Users["created"], users)
		}

		again := time.Now()
		s.once(0)
		idle := time.Since(again)

		app := scimtest.New(scimtest.Options{})
		pumped := pump(b, app, s.app)
		rss := cmd.ProcessState.SysUsage().(*syscall.Rusage).Maxrss

		b.ReportMetric(took.Seconds(), "cycle-s")
		b.ReportMetric(pumped.Seconds(), "pump-s")
		b.ReportMetric(took.Seconds()/pumped.Seconds(), "cycle/pump")
		b.ReportMetric(idle.Seconds(), "idle-s")
		b.ReportMetric(float64(rss)/1024, "peak-MiB")
		b.ReportMetric(cmd.ProcessState.UserTime().Seconds()+cmd.ProcessState.SystemTime().Seconds(), "cpu-s")
		b.ReportMetric(float64(r.Requests["source"]), "source-requests")
		b.ReportMetric(float64(n.Total), "target-requests")
		b.ReportMetric(float64(n.By["POST /Users"]+n.By["GET /Users"])/users, "requests/user")
		b.ReportMetric(float64(r.Memberships["added"]), "memberships")
	}
}

// pumpConnections is how many requests the pump keeps in flight; more does not make it faster on two
// cores that the application shares.
const pumpConnections = 16

// pump posts what the application have holds to the application app, as fast as it takes it: every
// user, every group, and the members of each group in batches of 100. It knows everything and decides nothing.
func pump(b *testing.B, app, have *scimtest.Server) time.Duration {
	srv := httptest.NewServer(app)
	defer srv.Close()
	client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: pumpConnections}}
	send := func(method, path string, body any) map[string]any {
		data, err := json.Marshal(body)
		if err != nil {
			b.Error(err)
			return nil
		}
		req, err := http.NewRequestWithContext(b.Context(), method, srv.URL+app.BasePath()+path, bytes.NewReader(data))
		if err != nil {
			b.Error(err)
			return nil
		}
		req.Header.Set("Content-Type", "application/scim+json")
		res, err := client.Do(req)
		if err != nil {
			b.Error(err)
			return nil
		}
		defer res.Body.Close()
		var answer map[string]any
		if err := json.NewDecoder(res.Body).Decode(&answer); err != nil && err != io.EOF {
			b.Error(err)
		}
		if res.StatusCode >= 300 {
			b.Errorf("%s %s: %d %v", method, path, res.StatusCode, answer)
		}
		return answer
	}
	users, groups := have.Users(), have.Groups()
	ids := sync.Map{} // of the first application to those of the second
	began := time.Now()
	each(len(users), func(i int) {
		u := users[i]
		body := map[string]any{"schemas": []string{"urn:ietf:params:scim:schemas:core:2.0:User"}}
		for k, v := range u.Attributes {
			body[k] = v
		}
		ids.Store(u.ID, send("POST", "/Users", body)["id"])
	})
	each(len(groups), func(i int) {
		g := groups[i]
		id := send("POST", "/Groups", map[string]any{
			"schemas": []string{"urn:ietf:params:scim:schemas:core:2.0:Group"}, "displayName": g.DisplayName, "externalId": g.ExternalID,
		})["id"]
		for from := 0; from < len(g.Members); from += 100 {
			var members []map[string]any
			for _, m := range g.Members[from:min(from+100, len(g.Members))] {
				to, _ := ids.Load(m)
				members = append(members, map[string]any{"value": to})
			}
			send("PATCH", fmt.Sprintf("/Groups/%s", id), map[string]any{
				"schemas":    []string{"urn:ietf:params:scim:api:messages:2.0:PatchOp"},
				"Operations": []map[string]any{{"op": "add", "path": "members", "value": members}},
			})
		}
	})
	return time.Since(began)
}

// each calls f for 0…n-1, pumpConnections at a time.
func each(n int, f func(int)) {
	var all sync.WaitGroup
	next := make(chan int)
	for range pumpConnections {
		all.Go(func() {
			for i := range next {
				f(i)
			}
		})
	}
	for i := range n {
		next <- i
	}
	close(next)
	all.Wait()
}

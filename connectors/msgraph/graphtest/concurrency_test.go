package graphtest

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"time"
)

// Everything may be called at any time. The race detector is the judge; here it is that nobody is
// refused and that the directory adds up afterwards.
func TestConcurrentUse(t *testing.T) {
	t.Parallel()
	s := New(Options{Seed: 1, Population: Population{Users: 300, Groups: 10}})
	srv := httptest.NewServer(s)
	defer srv.Close()
	var wg sync.WaitGroup
	for _, path := range []string{"/v1.0/users/delta?$select=displayName,manager", "/v1.0/groups/delta?$select=displayName,members", "/v1.0/users?$top=50", "/_emu/truth", "/_emu/log"} {
		wg.Go(func() {
			for range 10 {
				req, err := http.NewRequestWithContext(t.Context(), "GET", srv.URL+path, nil)
				if err != nil {
					t.Error(err)
					return
				}
				req.Header.Set("Authorization", "Bearer x")
				res, err := srv.Client().Do(req)
				if err != nil {
					t.Error(err)
					return
				}
				if _, err := io.Copy(io.Discard, res.Body); err != nil || res.StatusCode != 200 {
					t.Errorf("%s: %d %v", path, res.StatusCode, err)
				}
				res.Body.Close()
			}
		})
	}
	for n := range 4 {
		wg.Go(func() {
			for i := range 20 {
				id := s.AddUser(User{DisplayName: fmt.Sprint(n, i)})
				s.Assign(id, "")
				s.UpdateUser(id, map[string]any{"department": "Sales"})
				s.SoftDelete(id)
				s.Restore(id)
			}
		})
	}
	wg.Go(func() {
		for range 20 {
			s.Advance(time.Second)
			s.SetSettings(s.Settings())
			s.AddFault(Fault{Effect: Chunked, Times: 1})
			s.Stats()
			s.Log()
			s.KillTokens("groups", Page)
			s.ClearFaults()
		}
	})
	wg.Wait()
	if n := len(s.Truth().Users); n != 380 {
		t.Errorf("%d users, want 380", n)
	}
}

package test

import (
	"net/http"
	"net/http/httptest"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"github.com/scimsync/scimsync/connectors/msgraph"
	"github.com/scimsync/scimsync/connectors/msgraph/graphtest"
	"github.com/scimsync/scimsync/engine"
)

// manyPages makes rounds of many small pages.
func manyPages(o graphtest.Options) graphtest.Options {
	set := graphtest.DefaultSettings()
	set.UserPage, set.GroupPage, set.MemberSlice = 10, 3, 7
	o.Settings = &set
	return o
}

// belongings are the accounts that are active and the groups, by the id at the directory.
type belongings struct{ people, groups []string }

func (w *world) belongings() belongings {
	var b belongings
	for _, r := range w.app.Users() {
		if r.Active {
			b.people = append(b.people, r.ExternalID)
		}
	}
	for _, r := range w.app.Groups() {
		b.groups = append(b.groups, r.ExternalID)
	}
	return b
}

// unharmed fails the test if something that was there before was taken away wrongly: the access of
// somebody who is entitled, the account of somebody whom the directory still has, or a group that is assigned.
func (w *world) unharmed(before belongings) {
	w.t.Helper()
	truth := w.dir.Truth()
	people := entitled(truth)
	fates := w.fates()
	for _, id := range before.people {
		_, known := truth.Users[id]
		_, active := people[id]
		switch f := or(fates[id], "gone"); {
		case f == "gone" && known:
			w.t.Errorf("the account of %s is gone", id)
		case f == "inactive" && active:
			w.t.Errorf("the account of %s was disabled", id)
		}
	}
	groups := teams(truth, people)
	for _, id := range before.groups {
		_, assigned := groups[id]
		if _, there := w.group(id); assigned && !there {
			w.t.Errorf("the group %s is gone", id)
		}
	}
}

// recovers runs cycles without the fault until one has nothing to report, and compares.
func (w *world) recovers() {
	w.t.Helper()
	w.dir.ClearFaults()
	time.Sleep(time.Hour)
	w.sync()
	w.settled()
	w.inStep()
	w.quiet()
}

// pages are faults of single answers, which the source's side has to get over: by asking again, or
// by leaving it to the next cycle.
var pages = map[string]graphtest.Fault{
	"cut between two items":        {Effect: graphtest.TruncateItem, N: 2},
	"cut in the middle of an item": {Effect: graphtest.TruncateAt, N: 333},
	"an empty body":                {Effect: graphtest.TruncateAt, N: 0},
	"without any link":             {Effect: graphtest.NoLinks},
	"with both links":              {Effect: graphtest.BothLinks},
	"with a link to itself":        {Effect: graphtest.SameLink},
	"with a link to the first":     {Effect: graphtest.Loop},
	"with a link to another host":  {Effect: graphtest.ForeignLink},
	"with a link without a host":   {Effect: graphtest.RelativeLink},
	"delivered twice":              {Effect: graphtest.DupPage},
	"with an item that is null":    {Effect: graphtest.NullItem, N: 1},
	"with an item without an id":   {Effect: graphtest.NoID, N: 1},
	"with a list that is none":     {Effect: graphtest.WrongType, Property: "value"},
	"that drips":                   {Effect: graphtest.Drip, Delay: graphtest.Duration(20 * time.Second)},
	"that does not come":           {Effect: graphtest.Slow, Delay: graphtest.Duration(time.Hour)},
	"with a byte order mark":       {Effect: graphtest.UTF8BOM},
	"compressed":                   {Effect: graphtest.Gzip},
	"in chunks":                    {Effect: graphtest.Chunked},
	"with a clock that is wrong":   {Effect: graphtest.ClockSkew},
	"reset":                        {Effect: graphtest.Reset},
	"reset after the headers":      {Effect: graphtest.Reset, Where: "headers"},
	"reset in the body":            {Effect: graphtest.Reset, Where: "body"},
	"redirected":                   {Effect: graphtest.Redirect},
	"redirected to another host":   {Effect: graphtest.Redirect, Host: "http://graph.invalid"},
	"503 with Retry-After":         {Effect: graphtest.Status, Status: 503, Header: map[string]string{"Retry-After": "40"}},
	"503 as a web page":            {Effect: graphtest.Status, Status: 503, Body: "html"},
	"429 with Retry-After":         {Effect: graphtest.Status, Status: 429, Header: map[string]string{"Retry-After": "90"}},
	"429 with a fraction":          {Effect: graphtest.Status, Status: 429, Header: map[string]string{"Retry-After": "1.5"}},
	"429 with nothing":             {Effect: graphtest.Status, Status: 429},
	"429 with nonsense":            {Effect: graphtest.Status, Status: 429, Header: map[string]string{"Retry-After": "soon"}},
	"500 as a web page":            {Effect: graphtest.Status, Status: 500, Body: "html"},
	"500 with nothing":             {Effect: graphtest.Status, Status: 500, Body: "empty"},
	"502":                          {Effect: graphtest.Status, Status: 502, Body: "html"},
	"504":                          {Effect: graphtest.Status, Status: 504, Body: "plain"},
	"a dead page":                  {Effect: graphtest.Status, Status: 400, Code: "Directory_ExpiredPageToken"},
	"an unknown page":              {Effect: graphtest.Status, Status: 404, Code: "UnknownError"},
	"gone":                         {Effect: graphtest.Status, Status: 410},
	"a 200 that is a web page":     {Effect: graphtest.Status, Status: 200, Body: "html"},
	"a 200 that is another JSON":   {Effect: graphtest.Status, Status: 200, Body: `{"hello":"world"}`},
	"401":                          {Effect: graphtest.Status, Status: 401},
	"403":                          {Effect: graphtest.Status, Status: 403},
	"404":                          {Effect: graphtest.Status, Status: 404},
	"nobody listed":                {Effect: graphtest.EmptyList},
}

// heals are those that a cycle gets over by itself when they happen once.
func heals(name string) bool {
	return !slices.Contains([]string{"401", "403", "404", "with a link to another host", "redirected to another host", "with a link to the first", "with a link to itself"}, name)
}

// TestPages has single pages go wrong, in a full read and in rounds of changes, once and again and
// again: nobody is harmed, and the cycle after the fault brings everything in step.
func TestPages(t *testing.T) {
	for name, f := range pages {
		t.Run(name, func(t *testing.T) {
			virtually(t, func(t *testing.T) {
				w := newWorld(t, setting{graph: manyPages(company(30, 5)), virtual: true})
				w.faulty(name, f, graphtest.Match{Path: "/users/delta", PageFrom: 2}, 1)
				w.recovers()
				for _, m := range []graphtest.Match{{Feed: "users"}, {Feed: "groups"}} {
					for _, times := range []int{1, 0} {
						for range 3 {
							w.dir.PassDay()
						}
						w.faulty(name, f, m, times)
						w.recovers()
					}
				}
				if s := w.sourceLines.strangers(); len(s) > 0 {
					t.Errorf("other hosts were asked: %v", s)
				}
			})
		})
	}
}

// faulty runs a cycle with a fault of pages, and proves that it happened and did no harm.
func (w *world) faulty(name string, f graphtest.Fault, match graphtest.Match, times int) {
	w.t.Helper()
	f.Match, f.Times = match, times
	w.dir.AddFault(f)
	w.dir.ClearLog()
	before := w.belongings()
	c := w.cycle()
	if !slices.ContainsFunc(w.dir.Log(), func(r graphtest.Request) bool { return r.Fault != "" }) {
		w.t.Fatalf("cycle %d: the fault did not happen", w.cycles)
	}
	w.unharmed(before)
	if times == 1 && heals(name) && c.State != engine.CycleSucceeded {
		w.t.Errorf("cycle %d did not get over it: %s, %s %s", w.cycles, c.State, c.ErrorCode, c.Error)
	}
	if c.State != engine.CycleSucceeded && (c.ErrorCode == "" || c.ErrorCode == "internal" || len(c.Error) < 40) {
		w.t.Errorf("cycle %d ended %s and says why so: %q %q", w.cycles, c.State, c.ErrorCode, c.Error)
	}
}

// fates are what became of the accounts: active or inactive.
func (w *world) fates() map[string]string {
	out := map[string]string{}
	for _, r := range w.app.Users() {
		out[r.ExternalID] = "inactive"
		if r.Active {
			out[r.ExternalID] = "active"
		}
	}
	return out
}

// TestForeignHosts proves over real sockets that nothing goes to a host that the directory names, the token
// least of all.
func TestForeignHosts(t *testing.T) {
	t.Parallel()
	var trapped atomic.Int64
	trap := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { trapped.Add(1) }))
	defer trap.Close()
	for _, effect := range []graphtest.Effect{graphtest.ForeignLink, graphtest.Redirect} {
		w := newWorld(t, setting{graph: manyPages(company(40, 5)), source: func(c *msgraph.Config) { c.Patience = time.Second }})
		w.dir.AddFault(graphtest.Fault{Effect: effect, Host: trap.URL})
		if c := w.cycle(); c.State == engine.CycleSucceeded || c.ErrorCode != string(engine.CodeSourceForeignLink) {
			t.Errorf("%s: ended %s with %s", effect, c.State, c.ErrorCode)
		}
		w.dir.ClearFaults()
		w.sync()
		w.inStep()
		w.dir.PassDay()
		before := w.belongings()
		w.dir.AddFault(graphtest.Fault{Effect: effect, Host: trap.URL})
		w.cycle()
		w.unharmed(before)
		w.dir.ClearFaults()
		w.sync()
		w.inStep()
	}
	if n := trapped.Load(); n > 0 {
		t.Errorf("%d requests went to the other host", n)
	}
}

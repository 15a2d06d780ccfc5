package scim

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"time"

	"github.com/scimsync/scimsync/engine"
	"github.com/scimsync/scimsync/mapping"
)

const (
	// fresh is how young a resource must be for a 200 to mean "created just now".
	fresh = 5 * time.Minute
	// oursWithin is how young a resource found after a lost answer must be to be our own.
	oursWithin = 10 * time.Minute
)

// lookAfter are the waits before each look for a resource whose create was not answered (24).
var lookAfter = []time.Duration{time.Second, 3 * time.Second, 9 * time.Second}

// pollAfter are the waits before each look for a resource whose create was accepted with 202 (12.4).
var pollAfter = []time.Duration{2 * time.Second, 3 * time.Second, 10 * time.Second, 15 * time.Second}

// creating is one create under way.
type creating struct {
	c        *Client
	k        engine.Kind
	values   []engine.Value
	matching []engine.Value
	doc      map[string]any
	sh       shape
	sure     bool // the server said that it made the resource
}

// Create implements [engine.Target] (sections 12, 16.1 and 24).
func (c *Client) Create(ctx context.Context, k engine.Kind, values, matching []engine.Value) (engine.Created, error) {
	cr := &creating{c: c, k: k, values: values, matching: matching, sh: c.lessons.current()}
	cr.doc = mapping.Build(values)
	if name := nameOf(k); empty(cr.doc[name]) {
		return engine.Created{}, c.fail(engine.OutcomeEscrow, engine.CodeRequiredMissing, "%s has no value, and no %s can be created without; check its mapping", name, k)
	}
	unlock, err := c.lockObject(ctx, k, cr.lockKey())
	if err != nil {
		return engine.Created{}, err
	}
	defer unlock()
	first := c.tally.first()
	made, err := cr.create(ctx)
	if f := asFailure(err); f != nil && f.status == http.StatusNotFound {
		err = c.noCollection(k, f, first)
	}
	if err == nil && c.set.Verify.Create && !made.Existing {
		err = cr.readBack(ctx, &made)
	}
	return made, c.settled(ctx, err)
}

// noCollection explains a create that was answered with 404: there is no such collection.
func (c *Client) noCollection(k engine.Kind, f *failure, first bool) error {
	te := c.targetError(f)
	if k == engine.Group {
		te.Outcome = engine.OutcomeEscrow
		te.Detail = c.red.Text("the target seems to have no groups; switch mappings.groups off if so: "+f.said.detail, maxDetail)
		return te
	}
	if first {
		te.Outcome = engine.OutcomeQuarantine
	}
	te.Detail = c.red.Text("the target has no "+endpoint(k)+" below baseUrl; check the tenant URL: "+f.said.detail, maxDetail)
	return te
}

// nameOf is the one attribute that no resource can be without.
func nameOf(k engine.Kind) string {
	if k == engine.Group {
		return "displayName"
	}
	return "userName"
}

// lockKey makes two creates of the same matching value follow each other.
func (cr *creating) lockKey() string {
	if len(cr.matching) > 0 {
		return "new\x00" + cr.matching[0].Path.Key() + "\x00" + text(cr.matching[0].Value)
	}
	return "new\x00" + text(cr.doc[nameOf(cr.k)])
}

func (cr *creating) create(ctx context.Context) (engine.Created, error) {
	rep, err := cr.post(ctx)
	if lost, ok := errors.AsType[*unclear](err); ok {
		made, found, lookErr := cr.lookFor(ctx, lookAfter, lost)
		if found || lookErr != nil {
			return made, lookErr
		}
		// Good searches say that it does not exist: one more attempt, and never a third.
		if rep, err = cr.post(ctx); errors.As(err, &lost) {
			made, found, lookErr = cr.lookFor(ctx, lookAfter, lost)
			if found || lookErr != nil {
				return made, lookErr
			}
			return made, lost
		}
	}
	if f := asFailure(err); f != nil && f.conflicts() {
		return cr.conflict(ctx, f)
	}
	if err != nil {
		return engine.Created{}, err
	}
	return cr.answered(ctx, rep)
}

// post sends the create, in another shape if the server refuses the first (R9), and without an
// attribute that it says is not writable.
func (cr *creating) post(ctx context.Context) (*reply, error) {
	c := cr.c
	var used []repair
	for {
		body := cr.body()
		rep, err := c.send(ctx, request{op: opCreate, kind: cr.k, method: http.MethodPost, path: endpoint(cr.k), template: endpoint(cr.k), body: body})
		if err == nil {
			for _, r := range used {
				c.proved(r, text(cr.doc[nameOf(cr.k)]))
			}
			return rep, nil
		}
		f := asFailure(err)
		if f == nil || f.conflicts() || len(used) >= maxRepairs {
			return nil, err
		}
		if f.said.scimType == "mutability" && cr.dropNamed(f) {
			used = append(used, repair{name: "mutability"})
			continue
		}
		r, ok := c.repairCreate(cr.k, f, &cr.sh, used)
		if !ok {
			return nil, err
		}
		r.apply(&cr.sh)
		used = append(used, r)
	}
}

// body is the resource in the shape of the profile (12.1, 12.2, 16.1). Manager and members are never in it.
func (cr *creating) body() []byte {
	other := cr.sh.otherUsers
	if cr.k == engine.Group {
		other = cr.sh.otherGroups
	}
	entra := (cr.c.set.Profile == Entra && !cr.sh.interop) != other
	var room [6]string
	schemas := room[:0]
	switch {
	case cr.k == engine.User && entra:
		schemas = append(schemas, userURN, enterpriseURN)
	case cr.k == engine.Group && entra:
		schemas = append(schemas, groupURN, adGroupURN)
	default:
		core := userURN
		if cr.k == engine.Group {
			core = groupURN
		}
		for name := range cr.doc {
			if isURN(name) {
				schemas = append(schemas, name)
			}
		}
		slices.Sort(schemas)
		schemas = slices.Insert(schemas, 0, core)
	}
	delete(cr.doc, "meta")
	if cr.c.set.Profile == Entra && !cr.sh.interop {
		cr.doc["meta"] = userMeta
		if cr.k == engine.Group {
			cr.doc["meta"] = groupMeta
		}
	}
	return appendResource(make([]byte, 0, 1024), cr.k, cr.doc, schemas)
}

// The meta objects of creates; they are read only.
var (
	userMeta  = map[string]any{"resourceType": "User"}
	groupMeta = map[string]any{"resourceType": "Group"}
)

// dropNamed removes the attribute that a mutability error names.
func (cr *creating) dropNamed(f *failure) bool {
	for _, v := range cr.values {
		name := v.Path.Attribute
		if v.Path.URN == "" && name != nameOf(cr.k) && f.names(v.Path) && cr.doc[name] != nil {
			delete(cr.doc, name)
			return true
		}
	}
	return false
}

// answered reads the answer to a create (12.4).
func (cr *creating) answered(ctx context.Context, rep *reply) (engine.Created, error) {
	c := cr.c
	byLooking := func(waits []time.Duration) (engine.Created, error) {
		cr.sure = true
		made, found, err := cr.lookFor(ctx, waits, &unclear{status: rep.status})
		if !found && err == nil {
			err = &unclear{status: rep.status}
		}
		return made, err
	}
	if rep.status == http.StatusAccepted {
		return byLooking(pollAfter)
	}
	r, err := parseResource(rep.body, cr.k, c.set.limits)
	if err != nil {
		r = resource{}
	}
	id := r.ID
	if id == "" {
		id = lastSegment(rep.header.Get("Location"))
	}
	if id == "" {
		id = lastSegment(r.location)
	}
	if id == "" { // the server keeps the id to itself: look for what was just made
		return byLooking([]time.Duration{c.set.Settle, lookAfter[0], lookAfter[1]})
	}
	made := engine.Created{Resource: engine.Resource{ID: id, Attributes: r.Attributes}}
	if rep.status == http.StatusOK && !r.created.IsZero() && c.serverTime(rep.header).Sub(r.created) > fresh {
		made.Existing = true // an idempotent server answered with what it had
		for _, v := range cr.matching {
			if got := matchedValue(r, v.Path); got != nil && c.sameValue(cr.k, v, got) {
				made.MatchedBy = v.Path
				break
			}
		}
	}
	made.Attributes = cr.assumed(r.Attributes)
	return made, nil
}

// serverTime is the time by the server's clock, if it tells, so that clocks that differ do no harm.
func (c *Client) serverTime(h http.Header) time.Time {
	if at, err := http.ParseTime(h.Get("Date")); err == nil {
		return at
	}
	return c.conn.Now()
}

// assumed completes what the server returned with what was sent: an attribute that is missing in
// the answer was taken all the same.
func (cr *creating) assumed(got map[string]any) map[string]any {
	delete(cr.doc, "meta")
	if got == nil {
		got = make(map[string]any, len(cr.doc))
	}
	for name, v := range cr.doc {
		have, ok := got[name]
		if !ok {
			got[name] = v
			continue
		}
		sent, isMap := v.(map[string]any)
		held, also := have.(map[string]any)
		if isMap && also {
			for n, s := range sent {
				if _, ok := held[n]; !ok {
					held[n] = s
				}
			}
		}
	}
	return got
}

// lookFor searches for the resource of a create whose answer tells nothing, after each of the waits.
// found says that there is an answer, which may be an error: somebody else's resource. If the last
// look failed itself nobody knows, and lost is the error.
func (cr *creating) lookFor(ctx context.Context, waits []time.Duration, lost *unclear) (made engine.Created, found bool, err error) {
	for _, d := range waits {
		if err := cr.c.clock.Sleep(ctx, d); err != nil {
			return made, false, err
		}
		var hit match
		if hit, err = cr.search(ctx); err == nil && len(hit.found) > 0 {
			made, err := cr.adopt(hit)
			return made, true, err
		}
		if te, ok := errors.AsType[*engine.TargetError](err); ok &&
			(te.Outcome == engine.OutcomeQuarantine || te.Outcome == engine.OutcomeSuspend) {
			return made, false, &engine.TargetError{Outcome: te.Outcome, Code: te.Code, Status: te.Status, Detail: te.Detail, RetryAt: te.RetryAt, Err: lost}
		}
		if ctx.Err() != nil {
			return made, false, ended(ctx)
		}
	}
	if err != nil {
		err = lost
	}
	return made, false, err
}

// match is what a search for an object by all that identifies it has found.
type match struct {
	found      []resource
	by         engine.Path
	configured bool // by a matching attribute
}

// search looks by the matching attributes in turn, then by the name and externalId even if they
// are not configured for matching (12.5).
func (cr *creating) search(ctx context.Context) (match, error) {
	var doubt error
	look := func(values []engine.Value, configured bool) (match, error) {
		for _, v := range values {
			found, err := cr.c.search(ctx, cr.k, v)
			if err != nil && unsupported(err) {
				if doubt == nil && configured {
					doubt = err
				}
				continue
			}
			if err != nil || len(found) > 0 {
				return match{found, v.Path, configured}, err
			}
		}
		return match{}, nil
	}
	if hit, err := look(cr.matching, true); err != nil || len(hit.found) > 0 {
		return hit, err
	}
	if hit, err := look(cr.alsoBy(), false); err != nil || len(hit.found) > 0 {
		return hit, err
	}
	return match{}, doubt
}

// alsoBy are the values of the name and externalId that are not matching attributes.
func (cr *creating) alsoBy() []engine.Value {
	var out []engine.Value
	for _, name := range []string{nameOf(cr.k), "externalId"} {
		key := engine.Path{Attribute: name}.Key()
		if slices.ContainsFunc(cr.matching, func(v engine.Value) bool { return v.Path.Key() == key }) {
			continue
		}
		for _, v := range cr.values {
			if v.Path.Key() == key && !empty(v.Value) {
				out = append(out, v)
			}
		}
	}
	return out
}

// adopt turns what a search after a lost create found into its result: ours if it carries our
// externalId or is young, else an account that was there before.
func (cr *creating) adopt(hit match) (engine.Created, error) {
	if len(hit.found) > 1 {
		return engine.Created{}, cr.c.fail(engine.OutcomeEscrow, engine.CodeDuplicateTarget, "several resources match by %s", hit.by.String())
	}
	r := hit.found[0]
	made := engine.Created{Resource: r.Resource}
	external, _ := cr.doc["externalId"].(string)
	ours := cr.sure || external != "" && r.Attributes["externalId"] == external ||
		!r.created.IsZero() && cr.c.conn.Now().Sub(r.created) <= oursWithin
	switch {
	case ours:
		made.Attributes = cr.assumed(r.Attributes)
	case hit.configured:
		made.Existing, made.MatchedBy = true, hit.by
	default:
		return engine.Created{}, cr.stranger(hit)
	}
	return made, nil
}

// stranger is a resource that holds one of our values but is not matched by a configured attribute:
// adopting it would hand somebody else's account to this person (12.5).
func (cr *creating) stranger(hit match) error {
	return cr.c.fail(engine.OutcomeEscrow, engine.CodeConflict,
		"%s is held by the resource with id %s, which no matching attribute finds; match by it or free the value", hit.by.String(), hit.found[0].ID)
}

// conflict answers "already exists", however the server said it, by searching (12.5).
func (cr *creating) conflict(ctx context.Context, f *failure) (engine.Created, error) {
	c := cr.c
	refused := func(why string) error {
		te := c.targetError(f)
		te.Outcome, te.Code = engine.OutcomeEscrow, engine.CodeConflict
		te.Detail = c.red.Text(te.Detail+why, maxDetail)
		return te
	}
	if c.set.Match.CreateConflict == "fail" {
		return engine.Created{}, refused("")
	}
	hit, err := cr.search(ctx)
	switch {
	case err != nil && unsupported(err):
		return engine.Created{}, refused(" (the holder of the value cannot be searched for)")
	case err != nil:
		return engine.Created{}, err
	case len(hit.found) == 0:
		return engine.Created{}, refused(" (no search finds the holder of the value; it may be deleted softly or hidden)")
	case len(hit.found) > 1:
		te := c.fail(engine.OutcomeEscrow, engine.CodeDuplicateTarget, "the target reports a conflict, and several resources match by %s", hit.by.String())
		te.Status = f.status
		return engine.Created{}, te
	case !hit.configured:
		te := cr.stranger(hit)
		return engine.Created{}, te
	}
	return engine.Created{Resource: hit.found[0].Resource, Existing: true, MatchedBy: hit.by}, nil
}

// readBack confirms a create by reading it (verify.create).
func (cr *creating) readBack(ctx context.Context, made *engine.Created) error {
	if err := cr.c.clock.Sleep(ctx, cr.c.set.Settle); err != nil {
		return err
	}
	r, err := cr.c.get(ctx, cr.k, made.ID)
	if f := asFailure(err); f != nil && (f.status == http.StatusNotFound || f.status == http.StatusGone) {
		te := cr.c.fail(engine.OutcomeUnknown, engine.CodeNotApplied, "the target reported success and does not know the new resource")
		te.Status = f.status
		return te
	}
	if err != nil {
		return err
	}
	made.Attributes = r.Attributes
	return nil
}

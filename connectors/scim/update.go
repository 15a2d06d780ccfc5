package scim

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"strings"

	"go.uber.org/zap"

	"github.com/scimsync/scimsync/engine"
	"github.com/scimsync/scimsync/mapping"
)

// stage is one step of an update; steps follow each other in this order (13, 14, 16.10).
type stage int

const (
	stageDisable  stage = iota // active=false, alone and first: nothing else may keep a leaver active
	stageNameBack              // the name that was changed when the account was disabled
	stageEnable                // active=true, alone
	stageRename                // the rename that follows a soft delete: may be refused
	stageRest
	stageReference // in a PATCH of their own, last
	stageCount
)

// updating is one update under way.
type updating struct {
	c        *Client
	k        engine.Kind
	id       string
	disables bool
	enables  bool
	applied  []string
	refused  *engine.TargetError // of an attribute that can never be changed
	out      engine.Updated
	extra    int    // requests spent on splitting
	tag      string // for If-Match, where the server insists
}

// Update implements [engine.Target] (sections 13 to 15).
func (c *Client) Update(ctx context.Context, k engine.Kind, id string, changes []engine.AttributeChange) (engine.Updated, error) {
	if len(changes) == 0 {
		return engine.Updated{}, nil
	}
	if id == "" {
		return engine.Updated{}, c.fail(engine.OutcomeRematch, engine.CodeGone, "no id is known")
	}
	unlock, err := c.lockObject(ctx, k, id)
	if err != nil {
		return engine.Updated{}, err
	}
	defer unlock()
	u := &updating{c: c, k: k, id: id}
	for i, part := range u.stages(changes) {
		if len(part) == 0 {
			continue
		}
		if err := u.carryOut(ctx, stage(i), part); err != nil {
			return u.out, u.failed(ctx, stage(i), err)
		}
	}
	if u.refused != nil {
		u.refused.Applied = u.applied
		return u.out, u.refused
	}
	return u.out, nil
}

// failed completes an error with what was applied before it.
func (u *updating) failed(ctx context.Context, s stage, err error) error {
	err = u.c.settled(ctx, err)
	if te, ok := errors.AsType[*engine.TargetError](err); ok {
		te.Applied = u.applied
		if s == stageReference && (te.Outcome == engine.OutcomeEscrow || te.Outcome == engine.OutcomeUnknown) {
			te.Outcome = engine.OutcomeEscrowRef
		}
	}
	return err
}

func isActive(k engine.Kind, p engine.Path) bool {
	return k == engine.User && p.URN == "" && p.Attribute == "active" && p.Sub == ""
}

func isName(k engine.Kind, p engine.Path) bool {
	return p.URN == "" && p.Sub == "" && p.Attribute == nameOf(k)
}

// stages sorts the changes into steps, leaving out what must not or need not be sent.
func (u *updating) stages(changes []engine.AttributeChange) [stageCount][]engine.AttributeChange {
	for i := range changes {
		if isActive(u.k, changes[i].Path) {
			on, ok := boolean(changes[i].New).(bool)
			u.disables, u.enables = u.disables || ok && !on, u.enables || ok && on
		}
	}
	var parts [stageCount][]engine.AttributeChange
	for _, ch := range changes {
		if u.leftOut(&ch) {
			continue
		}
		s := stageRest
		switch {
		case isActive(u.k, ch.Path):
			ch.New = boolean(ch.New)
			if s = stageEnable; ch.New == false {
				s = stageDisable
			}
		case isReference(&ch):
			s = stageReference
		case u.enables && isName(u.k, ch.Path) && u.k == engine.User:
			s = stageNameBack
		case isName(u.k, ch.Path) && u.k == engine.User && (u.disables || ch.SoftDelete) && !u.enables:
			s = stageRename
		}
		if name, ok := ch.New.(string); ok && u.k == engine.Group && isName(u.k, ch.Path) && strings.TrimSpace(name) != name {
			u.warn("the name of the group begins or ends with a blank, which some applications drop: it may end up as the twin of another group")
		}
		parts[s] = append(parts[s], ch)
	}
	return parts
}

// leftOut reports whether a change is not sent: clearing what no account can be without, an
// attribute that the server never lets change, a value that the server keeps storing differently.
func (u *updating) leftOut(ch *engine.AttributeChange) bool {
	key := ch.Path.Key()
	if ch.New == nil {
		vital := isActive(u.k, ch.Path) || isName(u.k, ch.Path)
		if vital || u.c.set.User.ClearStyle == "none" {
			u.keeps(key, ch.Old)
			if vital {
				u.warn("the value of " + ch.Path.String() + " is not cleared: no account can be without it")
			}
			return true
		}
	}
	if u.c.lessons.isImmutable(u.k, key) {
		u.immutable(ch, nil)
		return true
	}
	if got, stuck := u.c.loops.stuck(u.k, u.id, key, ch.New); stuck {
		u.keeps(key, got)
		u.warn("the target keeps storing another value of " + ch.Path.String() + " than the one sent; it is not sent again until the wanted value changes")
		return true
	}
	return false
}

func (u *updating) keeps(key string, v any) {
	if u.out.Now == nil {
		u.out.Now = map[string]any{}
	}
	u.out.Now[key] = v
}

func (u *updating) warn(text string) { u.out.Warnings = append(u.out.Warnings, text) }

// immutable notes a change that the server will never take.
func (u *updating) immutable(ch *engine.AttributeChange, f *failure) {
	u.keeps(ch.Path.Key(), ch.Old)
	if u.refused == nil {
		u.refused = u.c.fail(engine.OutcomeSkip, engine.CodeSchemaAttribute, "the target does not let %s change once an object exists", ch.Path.String())
		u.refused.ScimType = "mutability"
	}
	if f != nil {
		u.refused.Status = f.status
	}
}

// carryOut sends one step.
func (u *updating) carryOut(ctx context.Context, s stage, changes []engine.AttributeChange) error {
	switch s {
	case stageDisable, stageEnable:
		return u.setActive(ctx, changes)
	case stageRename:
		err := u.apply(ctx, changes)
		if f := asFailure(err); f != nil && f.status < 500 && f.status != http.StatusUnauthorized || errors.Is(err, errNotApplied) {
			for i := range changes {
				u.keeps(changes[i].Path.Key(), changes[i].Old)
			}
			u.warn("the target refused the rename of the disabled account; it keeps its name")
			return nil
		}
		return err
	}
	err := u.apply(ctx, changes)
	f := asFailure(err)
	if f != nil && u.disables && (f.status == http.StatusNotFound || f.status == http.StatusGone) {
		u.warn("the target removed the account when it was disabled; its other changes were not sent")
		return nil
	}
	if f == nil || !u.c.set.repair || !f.divisible() {
		return err
	}
	if len(changes) == 1 {
		return u.single(&changes[0], f)
	}
	return u.split(ctx, changes, f)
}

// setActive disables or enables, and makes sure of a disable (14.3).
func (u *updating) setActive(ctx context.Context, changes []engine.AttributeChange) error {
	want := changes[0].New == true
	got, err := u.write(ctx, changes)
	if err != nil {
		return err
	}
	if err := u.checkActive(ctx, want, got); err != nil {
		return err
	}
	u.done(changes)
	return nil
}

// errNotApplied marks a success of the server that had no effect.
var errNotApplied = errors.New("the target reported success and changed nothing")

func (u *updating) checkActive(ctx context.Context, want bool, got *resource) error {
	c := u.c
	if got != nil {
		shown, known := got.Attributes["active"].(bool)
		if known && shown == want && c.set.Verify.Disable != "always" {
			return nil
		}
		if !known && !u.looksAgain(want) {
			return nil
		}
	} else if !u.looksAgain(want) {
		return nil
	}
	if err := c.clock.Sleep(ctx, c.set.Settle); err != nil {
		return err
	}
	r, err := c.get(ctx, u.k, u.id)
	if f := asFailure(err); f != nil && !want && (f.status == http.StatusNotFound || f.status == http.StatusGone) {
		return nil // some servers hide or remove who is disabled
	}
	if ctx.Err() != nil {
		return err
	}
	if err != nil { // the change was accepted; that it cannot be read back is no failure of it
		c.log.Warn("a change of active could not be read back")
		return nil
	}
	if shown, known := r.Attributes["active"].(bool); known && shown != want {
		c.log.Warn("the target reported success and did not change active; this is relevant to security")
		te := c.fail(engine.OutcomeEscrow, engine.CodeNotApplied, "the target reported success and still shows active as %t", shown)
		te.Err = errNotApplied
		return te
	}
	return nil
}

// looksAgain decides whether a change of active whose answer does not show it is read back: disables
// always, or the first five and then one in twenty.
func (u *updating) looksAgain(want bool) bool {
	switch {
	case want || u.c.set.Verify.Disable == "never":
		return false
	case u.c.set.Verify.Disable == "always":
		return true
	}
	n := u.c.disables.Add(1)
	return n <= 5 || n%20 == 0
}

// apply sends changes and takes over what the answer shows.
func (u *updating) apply(ctx context.Context, changes []engine.AttributeChange) error {
	got, err := u.write(ctx, changes)
	if err != nil {
		return err
	}
	u.done(changes)
	if got != nil {
		u.compare(changes, got)
	}
	return nil
}

func (u *updating) done(changes []engine.AttributeChange) {
	for i := range changes {
		u.applied = append(u.applied, changes[i].Path.Key())
	}
}

// compare looks for values that the server stores in another form than sent. One that still shows
// the old value is not judged: some servers answer with what was there before (13.8).
func (u *updating) compare(changes []engine.AttributeChange, got *resource) {
	for i := range changes {
		ch := &changes[i]
		if ch.New == nil || ch.Additive {
			continue
		}
		have := ch.Path.Read(got.Attributes)
		if have == nil || mapping.Equal(ch.Definition, ch.New, have) || mapping.Equal(ch.Definition, ch.Old, have) {
			continue
		}
		u.keeps(ch.Path.Key(), have)
		u.c.loops.differs(u.k, u.id, ch.Path.Key(), ch.New, have)
	}
}

// write sends changes as one PATCH or PUT, repairing its shape. It returns what the server showed,
// nil if it showed nothing.
func (u *updating) write(ctx context.Context, changes []engine.AttributeChange) (*resource, error) {
	c := u.c
	sh := c.lessons.current()
	if sh.put && u.k == engine.Group {
		sh.put = false // a PUT without members would empty the group
	}
	var used []repair
	again := false
	for {
		rep, err := u.once(ctx, changes, &sh)
		if err == nil {
			got, err := u.answer(ctx, rep, changes, &sh)
			if err == nil {
				for _, r := range lasting(used) {
					c.proved(r, string(u.k)+u.id)
				}
			}
			return got, err
		}
		f := asFailure(err)
		if f == nil {
			return nil, err
		}
		if f.status == http.StatusBadRequest && f.said.says("no valid fields to update", "nothing to change", "no changes", "nothing to update") {
			if got, err := u.same(ctx, changes); err == nil {
				return got, nil
			}
		}
		r, ok := c.repairUpdate(u.k, f, changes, &sh, used)
		switch {
		case ok:
			r.apply(&sh)
			used = append(used, r)
			c.log.Debug("sending again in another shape", zap.String("repair", r.name), zap.Int("status", f.status), zap.String("scim_type", f.said.scimType))
		case f.status == http.StatusPreconditionRequired && u.tag == "":
			read, err := c.get(ctx, u.k, u.id)
			if err != nil || read.version == "" || !validHeaderValue(read.version) {
				return nil, f
			}
			u.tag = read.version // the server insists on conditional requests
		case !again && !sh.put && (f.status == http.StatusPreconditionFailed || f.status == http.StatusConflict && !holdsUnique(u.k, changes)):
			again = true // somebody else wrote at the same moment: once more
		default:
			return nil, f
		}
	}
}

// holdsUnique reports whether a conflict can be about a value that another object holds.
func holdsUnique(k engine.Kind, changes []engine.AttributeChange) bool {
	return slices.ContainsFunc(changes, func(ch engine.AttributeChange) bool {
		return isName(k, ch.Path) || ch.Path.URN == "" && (ch.Path.Attribute == "externalId" || ch.Path.Attribute == "emails")
	})
}

// once sends changes in one shape.
func (u *updating) once(ctx context.Context, changes []engine.AttributeChange, sh *shape) (*reply, error) {
	c := u.c
	if sh.put {
		return c.putChanges(ctx, u.k, u.id, changes)
	}
	var ops []patchOp
	tag := u.tag
	if !sh.filterPaths && slices.ContainsFunc(changes, func(ch engine.AttributeChange) bool { return len(ch.Path.Filter) > 0 }) {
		var err error
		if ops, tag, err = u.wholeLists(ctx, changes, sh); err != nil {
			return nil, err
		}
	} else {
		ops = render(changes, sh, c.set.User.ClearStyle)
	}
	path, template := itemPath(u.k, u.id)
	return c.send(ctx, request{op: opUpdate, kind: u.k, method: http.MethodPatch, path: path, template: template,
		body: appendPatch(make([]byte, 0, 512), ops, sh), ifMatch: tag})
}

// wholeLists is repair R4 (c): for a server that takes no filter in a path, the object is read, the
// change merged into its list, and the list replaced by its bare name. It needs a read that shows
// the attribute: what is not shown would be lost.
func (u *updating) wholeLists(ctx context.Context, changes []engine.AttributeChange, sh *shape) ([]patchOp, string, error) {
	r, err := u.c.get(ctx, u.k, u.id)
	if err != nil {
		return nil, "", asUpdate(err)
	}
	var plainChanges []engine.AttributeChange
	var ops []patchOp
	lists := map[string]int{}
	for i := range changes {
		ch := &changes[i]
		if len(ch.Path.Filter) == 0 {
			plainChanges = append(plainChanges, *ch)
			continue
		}
		name := attributePath(ch.Path)
		holder := r.raw
		if ch.Path.URN != "" {
			holder, _ = r.raw.at(ch.Path.URN).(object)
		}
		at, begun := lists[name]
		if !begun {
			shown, ok := holder.get(ch.Path.Attribute)
			if !ok && ch.Old == nil && ch.New != nil { // adding takes nothing away
				ops = append(ops, patchOp{word: "add", path: name, value: overlayElement(nil, ch)})
				continue
			}
			if !ok {
				return nil, "", u.c.fail(engine.OutcomeEscrow, engine.CodeSchemaAttribute,
					"the target takes no filter in a path and does not return %s, so that it can be neither changed in part nor replaced safely", name)
			}
			at = len(ops)
			lists[name] = at
			ops = append(ops, patchOp{word: "replace", path: name, value: asList(mapsOf(shown))})
		}
		ops[at].value = overlayElement(ops[at].value.([]any), ch)
	}
	return append(ops, render(plainChanges, sh, u.c.set.User.ClearStyle)...), u.c.tag(r), nil
}

// answer reads what came back from a successful write (13.8).
func (u *updating) answer(ctx context.Context, rep *reply, changes []engine.AttributeChange, sh *shape) (*resource, error) {
	c := u.c
	switch {
	case rep.status == http.StatusAccepted:
		got, err := u.same(ctx, changes)
		if errors.Is(err, errNotApplied) {
			return nil, &unclear{status: rep.status}
		}
		return got, err
	case len(rep.body) == 0:
		return nil, nil
	}
	r, err := parseResource(rep.body, u.k, c.set.limits)
	switch {
	case errors.Is(err, errNotObject):
		return nil, nil
	case err != nil: // a web page with status 200, for example of a login
		got, sameErr := u.same(ctx, changes)
		if errors.Is(sameErr, errNotApplied) {
			return nil, c.badAnswer(opUpdate, rep.status, notJSON(rep.body, err))
		}
		return got, sameErr
	}
	if r.literal && sh.pathless {
		return u.withoutDots(ctx, changes, sh)
	}
	return &r, nil
}

// withoutDots is the second trigger of repair R3: the server stored "name.givenName" as the name of
// an attribute.
func (u *updating) withoutDots(ctx context.Context, changes []engine.AttributeChange, sh *shape) (*resource, error) {
	if !u.c.set.repair {
		u.warn("the target stored dotted names literally; set capabilities.pathlessOk: false")
		return nil, nil
	}
	r := repair{"R3 a path each", func(s *shape) { s.pathless = false }, true}
	again := *sh
	r.apply(&again)
	rep, err := u.once(ctx, changes, &again)
	if err != nil {
		return nil, err
	}
	u.c.proved(r, string(u.k)+u.id)
	got, err := parseResource(rep.body, u.k, u.c.set.limits)
	if err != nil {
		return nil, nil
	}
	return &got, nil
}

// same reads the object and compares: nil if the changes are there.
func (u *updating) same(ctx context.Context, changes []engine.AttributeChange) (*resource, error) {
	if err := u.c.clock.Sleep(ctx, u.c.set.Settle); err != nil {
		return nil, err
	}
	r, err := u.c.get(ctx, u.k, u.id)
	if err != nil {
		return nil, asUpdate(err)
	}
	for i := range changes {
		ch := &changes[i]
		have := ch.Path.Read(r.Attributes)
		if have == nil && ch.New != nil && !isActive(u.k, ch.Path) {
			continue // not shown: nothing says that it was not taken
		}
		if !ch.Additive && !mapping.Equal(ch.Definition, ch.New, have) {
			te := u.c.fail(engine.OutcomeEscrow, engine.CodeNotApplied, "the target still holds another value of %s", ch.Path.String())
			te.Err = errNotApplied
			return nil, te
		}
	}
	return &r, nil
}

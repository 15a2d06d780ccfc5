package scim

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"sync"

	"github.com/scimsync/scimsync/engine"
)

// maxMemberBody keeps a batch of members below what gateways accept (16.5).
const maxMemberBody = 512 << 10

// giveUpAfter single members have failed in a row and none has succeeded: the request as such is
// refused, and trying the rest one by one would only cost requests.
const giveUpAfter = 5

// memberMemory is what was learned about changes of members on this connection.
type memberMemory struct {
	mu                sync.Mutex
	perAdd, perRemove int // members of one PATCH; servers limit the two differently
	removal           removalState
	unclear           int // tests of the guard that told nothing
}

func (m *memberMemory) batch(remove bool) int {
	m.mu.Lock()
	defer m.mu.Unlock()
	return *m.per(remove)
}

func (m *memberMemory) lower(remove bool, n int) {
	m.mu.Lock()
	defer m.mu.Unlock()
	per := m.per(remove)
	*per = max(1, min(*per, n))
}

func (m *memberMemory) per(remove bool) *int {
	if remove {
		return &m.perRemove
	}
	return &m.perAdd
}

// changingMembers is one call of AddMembers or RemoveMembers.
type changingMembers struct {
	c       *Client
	group   string
	remove  bool
	sh      shape
	style   *bool // removals by filter, where the guard decided against the shape
	tested  bool  // the guard has allowed value lists for this call
	answers map[string]error

	guessed   *scimError // what the server said before repairs that are guesses, until it is known whether they helped
	before    int        // repairs that were no guesses
	exists    bool       // the group was seen to exist after a 404
	succeeded bool
	singles   int // single members that failed in a row
	used      []repair
	all       error // every further member fails with this
}

// AddMembers implements [engine.Target] (16.3).
func (c *Client) AddMembers(ctx context.Context, group string, members []string) (map[string]error, error) {
	return c.changeMembers(ctx, group, members, false)
}

// RemoveMembers implements [engine.Target] (16.4, 16.6).
func (c *Client) RemoveMembers(ctx context.Context, group string, members []string) (map[string]error, error) {
	return c.changeMembers(ctx, group, members, true)
}

func (c *Client) changeMembers(ctx context.Context, group string, members []string, remove bool) (map[string]error, error) {
	m := &changingMembers{c: c, group: group, remove: remove, sh: c.lessons.current(), answers: make(map[string]error, len(members))}
	if len(members) == 0 {
		return m.answers, nil
	}
	if group == "" {
		return m.answers, c.fail(engine.OutcomeRematch, engine.CodeGone, "no id is known")
	}
	unlock, err := c.lockObject(ctx, engine.Group, group)
	if err != nil {
		return m.answers, err
	}
	defer unlock()
	left := make([]string, 0, len(members))
	for _, id := range members {
		if _, twice := m.answers[id]; twice {
			continue
		}
		m.answers[id] = nil
		if id == "" { // an empty list of values must never go out (16.4)
			m.answers[id] = c.fail(engine.OutcomeRematch, engine.CodeGone, "no id is known")
			continue
		}
		left = append(left, id)
	}
	for len(left) > 0 {
		n := min(m.c.members.batch(m.remove), len(left))
		if err := m.batch(ctx, left[:n]); err != nil {
			return m.answers, c.settled(ctx, err)
		}
		left = left[n:]
	}
	for _, r := range m.used {
		if m.succeeded {
			c.proved(r, "group"+group)
		}
	}
	return m.answers, nil
}

// byFilter tells how this call removes.
func (m *changingMembers) byFilter() bool {
	if m.style != nil {
		return *m.style
	}
	return m.sh.removeByFilter
}

// body is one PATCH for some members.
func (m *changingMembers) body(ids []string) []byte {
	b := make([]byte, 0, 128+80*len(ids))
	b = append(b, `{"schemas":["`+patchURN+`"],"Operations":[`...)
	if m.remove && m.byFilter() {
		for i, id := range ids {
			if i > 0 {
				b = append(b, ',')
			}
			b = append(append(append(b, `{"op":"`...), opWord("remove", &m.sh)...), `","path":`...)
			b = appendString(b, string(appendString([]byte("members[value eq "), id))+"]")
			b = append(b, '}')
		}
		return append(b, "]}"...)
	}
	word := "add"
	if m.remove {
		word = "remove"
	}
	b = append(append(append(b, `{"op":"`...), opWord(word, &m.sh)...), `","path":"members","value":[`...)
	for i, id := range ids {
		if i > 0 {
			b = append(b, ',')
		}
		if m.sh.nullRef {
			b = append(b, `{"$ref":null,"value":`...)
		} else {
			b = append(b, `{"value":`...)
		}
		b = append(appendString(b, id), '}')
	}
	return append(b, "]}]}"...)
}

func (m *changingMembers) send(ctx context.Context, ids []string) error {
	path, template := itemPath(engine.Group, m.group)
	_, err := m.c.send(ctx, request{op: opMembers, kind: engine.Group, method: http.MethodPatch, path: path, template: template, body: m.body(ids)})
	return err
}

// batch changes some members, halving what is refused until the bad ones are alone (16.5). The error
// is for the group as a whole.
func (m *changingMembers) batch(ctx context.Context, ids []string) error {
	if m.all != nil {
		m.failAll(ids, m.all)
		return nil
	}
	if m.remove && !m.byFilter() {
		var err error
		if ids, err = m.guard(ctx, ids); err != nil || len(ids) == 0 {
			return err
		}
	}
	if len(ids) > 1 && (len(ids) > m.c.members.batch(m.remove) || len(m.body(ids)) > maxMemberBody) {
		return m.halves(ctx, ids)
	}
	err := m.send(ctx, ids)
	if err == nil {
		m.succeeded, m.guessed, m.singles = true, nil, 0
		return nil
	}
	f := asFailure(err)
	if f == nil {
		return m.withoutAnswer(ctx, ids, err)
	}
	switch s := f.status; {
	case s == http.StatusNotFound || s == http.StatusGone:
		if err := m.groupExists(ctx); err != nil {
			return err
		}
	case s == http.StatusRequestEntityTooLarge && len(ids) > 1:
		m.c.members.lower(m.remove, len(ids)/2)
		return m.halves(ctx, ids)
	case s == http.StatusBadRequest || s == http.StatusUnprocessableEntity || s == http.StatusNotImplemented:
		if m.repair(f, len(ids)) {
			return m.batch(ctx, ids)
		}
		if s == http.StatusNotImplemented {
			return m.refuse(ids, f)
		}
	case s == http.StatusPreconditionFailed && !tried(m.used, "412"):
		m.used = append(m.used, repair{name: "412"})
		return m.batch(ctx, ids)
	case s == http.StatusConflict || s == http.StatusInternalServerError:
	default: // the group, the method or the caller is refused, not a member
		return m.refuse(ids, f)
	}
	if len(ids) == 1 {
		return m.single(ctx, ids[0], f)
	}
	if err := m.halves(ctx, ids); err != nil {
		return err
	}
	formal := f.status == http.StatusBadRequest || f.status == http.StatusUnprocessableEntity
	if formal && !slices.ContainsFunc(ids, func(id string) bool { return m.answers[id] != nil }) {
		m.c.members.lower(m.remove, (len(ids)+1)/2) // it was not a member: there were too many
	}
	return nil
}

func (m *changingMembers) halves(ctx context.Context, ids []string) error {
	mid := len(ids) / 2
	if err := m.batch(ctx, ids[:mid]); err != nil {
		return err
	}
	return m.batch(ctx, ids[mid:])
}

// withoutAnswer is for requests that got no answer, or one that is about the connection.
func (m *changingMembers) withoutAnswer(ctx context.Context, ids []string, err error) error {
	te, ok := errors.AsType[*engine.TargetError](m.c.settled(ctx, err))
	if !ok || te.Outcome == engine.OutcomeQuarantine || te.Outcome == engine.OutcomeSuspend {
		return err
	}
	te.Outcome = engine.OutcomeEscrowRef
	m.failAll(ids, te)
	return nil
}

// refuse fails these members and all that are still to come with what the server said.
func (m *changingMembers) refuse(ids []string, f *failure) error {
	te := m.c.targetError(f)
	if te.Outcome == engine.OutcomeQuarantine || te.Outcome == engine.OutcomeRematch {
		return te
	}
	m.all = te
	m.failAll(ids, te)
	return nil
}

func (m *changingMembers) failAll(ids []string, err error) {
	for _, id := range ids {
		m.answers[id] = err
	}
}

// single settles one member that was refused alone.
func (m *changingMembers) single(ctx context.Context, id string, f *failure) error {
	present := f.status == http.StatusConflict && !m.remove
	absent := m.remove && (f.said.scimType == "noTarget" || f.status == http.StatusNotFound || f.status == http.StatusConflict)
	if present || absent { // it is as it should be, if only the group is still there
		return m.groupExists(ctx)
	}
	te := m.c.targetError(f)
	if te.Outcome != engine.OutcomeQuarantine {
		te.Outcome = engine.OutcomeEscrowRef
	}
	m.answers[id] = te
	gone, err := m.memberGone(ctx, id)
	if err != nil {
		return err
	}
	if gone {
		m.answers[id] = &engine.TargetError{Outcome: engine.OutcomeRematch, Code: engine.CodeGone, Status: f.status,
			Detail: "the member does not exist at the target any more"}
		m.singles = 0
		return nil
	}
	if te.Outcome == engine.OutcomeQuarantine {
		return te
	}
	if m.singles++; m.singles >= giveUpAfter && !m.succeeded {
		m.all = te
	}
	return nil
}

// groupExists tells a missing group from an unknown member, once per call.
func (m *changingMembers) groupExists(ctx context.Context) error {
	if m.exists || m.succeeded {
		return nil
	}
	_, err := m.c.get(ctx, engine.Group, m.group)
	m.exists = err == nil
	return err
}

// memberGone asks whether a member that was refused exists, as user or as group.
func (m *changingMembers) memberGone(ctx context.Context, id string) (bool, error) {
	for _, k := range []engine.Kind{engine.User, engine.Group} {
		_, err := m.c.get(ctx, k, id)
		f := asFailure(err)
		switch {
		case err == nil:
			return false, nil
		case ctx.Err() != nil:
			return false, err
		case f == nil || f.status != http.StatusNotFound && f.status != http.StatusGone:
			return false, nil // not known; the refusal stands
		}
	}
	return true, nil
}

// repair changes the shape of the request if the answer suggests that it is at fault (R2, R5). Strict servers do not take "$ref": null for an absent
// value either.
func (m *changingMembers) repair(f *failure, n int) bool {
	c := m.c
	word := f.said.scimType
	if m.guessed != nil && (m.guessed.scimType != word || m.guessed.detail != f.said.detail) {
		m.guessed = nil // it complains about something else now
	}
	if word == "noTarget" || word == "uniqueness" || len(m.used) >= maxRepairs {
		return false
	}
	formal := word == "invalidSyntax" || word == "invalidPath" || f.status == http.StatusNotImplemented ||
		f.said.says("operation", "path", "filter", "enum", "not a valid choice", "unsupported", "not supported")
	if c.set.repair && !m.sh.lowerOps && !tried(m.used, "R2 lower case") && (word == "invalidSyntax" || f.said.says("operation", "enum", "valid choice", "\"op\"")) {
		return m.use(repair{"R2 lower case", func(s *shape) { s.lowerOps = true }, true})
	}
	if c.set.repair && m.sh.nullRef && !tried(m.used, "R5 no $ref") && f.said.says("$ref", "null") {
		return m.use(repair{"R5 no $ref", func(s *shape) { s.nullRef = false }, true})
	}
	if c.set.repair && word == "" && f.status != http.StatusNotImplemented && !m.succeeded && m.guess(f) {
		return true
	}
	auto := c.set.repair || c.set.Members.RemoveStyle == "auto"
	if !m.remove || !auto || tried(m.used, "R5 filter") || tried(m.used, "R5 value list") || m.succeeded {
		return false
	}
	if !formal && word != "invalidValue" && n > 1 {
		return false // rather a member than the form
	}
	if !m.byFilter() {
		return m.use(repair{"R5 filter", func(s *shape) { s.removeByFilter = true }, true})
	}
	if c.members.state() == removalHarmful || c.set.Members.RemoveStyle == "filter" {
		return false
	}
	return m.use(repair{"R5 value list", func(s *shape) { s.removeByFilter = false }, true})
}

// guess tries what strict servers refuse most often, one on top of the other. If nothing helps, what follows
// goes out as before: it was about the members.
func (m *changingMembers) guess(f *failure) bool {
	if m.guessed == nil {
		m.guessed, m.before = &f.said, len(m.used)
	}
	switch {
	case !m.sh.lowerOps && !tried(m.used, "R2 lower case"):
		return m.use(repair{"R2 lower case", func(s *shape) { s.lowerOps = true }, true})
	case m.sh.nullRef && !m.byFilter() && !tried(m.used, "R5 no $ref"):
		return m.use(repair{"R5 no $ref", func(s *shape) { s.nullRef = false }, true})
	}
	for i := m.before; i < len(m.used); i++ {
		switch m.used[i].name {
		case "R2 lower case":
			m.sh.lowerOps = false
		case "R5 no $ref":
			m.sh.nullRef = true
		}
		m.used[i].learnable = false // tried, and in vain
	}
	m.before = len(m.used)
	return false
}

func (m *changingMembers) use(r repair) bool {
	r.apply(&m.sh)
	m.style = nil // the shape decides again
	m.used = append(m.used, r)
	return true
}

package scim

import (
	"context"
	"net/http"
	"slices"

	"go.uber.org/zap"

	"github.com/scimsync/scimsync/engine"
)

// removalState says what is known about removals by a value list (16.6).
type removalState int

const (
	removalUntested   removalState = iota
	removalSafe                    // only the members named were removed
	removalHarmful                 // a value list empties the group, or does nothing
	removalUnreadable              // cannot be tested: members are not shown
)

// unclearUpTo is how many groups may fail to show the members that we know of before members count
// as not readable.
const unclearUpTo = 3

func (m *memberMemory) state() removalState {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.removal
}

func (m *memberMemory) learn(s removalState) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.removal = s
}

// toldNothing counts a test that told nothing.
func (m *memberMemory) toldNothing() {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.unclear++; m.unclear >= unclearUpTo && m.removal == removalUntested {
		m.removal = removalUnreadable
	}
}

// guard stands before every removal by a value list. To a strictly RFC-minded server "remove
// members" with a value means "remove all", and several servers did exactly that. So the first
// removal on a connection removes one member and looks what became of the others. It returns the
// members that are still to be removed.
func (m *changingMembers) guard(ctx context.Context, ids []string) ([]string, error) {
	if m.tested {
		return ids, nil
	}
	if m.c.set.Members.Readable == "no" && m.c.members.state() == removalUntested {
		m.c.members.learn(removalUnreadable)
	}
	if left, decided := m.known(ids); decided {
		return left, nil
	}
	unlock, err := m.c.locks.lock(ctx, "guard") // other groups wait for what this one finds out
	if err != nil {
		return nil, err
	}
	defer unlock()
	if left, decided := m.known(ids); decided {
		return left, nil
	}
	return m.test(ctx, ids)
}

// known acts on what is known already.
func (m *changingMembers) known(ids []string) (left []string, decided bool) {
	switch m.c.members.state() {
	case removalSafe:
		m.tested = true
		return ids, true
	case removalHarmful:
		return m.otherwise(ids, false), true
	case removalUnreadable:
		return m.otherwise(ids, true), true
	}
	return nil, false
}

// otherwise removes by filter instead. If the server refuses filters too, a value list is only sent
// where nothing speaks against it but that it cannot be tested.
func (m *changingMembers) otherwise(ids []string, allowed bool) []string {
	if !tried(m.used, "R5 value list") {
		m.style = new(true)
		return ids
	}
	if allowed {
		m.c.log.Warn("members are removed by value list without a test, because the target shows no members and refuses filters")
		m.tested = true
		return ids
	}
	m.all = m.c.fail(engine.OutcomeEscrowRef, engine.CodeNotApplied,
		"members cannot be removed safely: the target refuses a filter in the path, and a list of values would not remove just these")
	m.failAll(ids, m.all)
	return nil
}

// test removes one member and looks.
func (m *changingMembers) test(ctx context.Context, ids []string) ([]string, error) {
	before, shown, err := m.read(ctx)
	if err != nil {
		return nil, err
	}
	at := slices.IndexFunc(ids, func(id string) bool { return slices.Contains(before, id) })
	switch {
	case !shown || len(before) == 0:
		m.c.members.toldNothing()
		return m.otherwise(ids, true), nil
	case at < 0: // it holds others, and a test on a member that is not there could empty it
		m.c.members.toldNothing()
		return m.otherwise(ids, false), nil
	case len(before) == 1:
		m.tested = true // nobody else is there to be lost
		return ids, nil
	}
	victim := ids[at]
	if err := m.send(ctx, []string{victim}); err != nil {
		if asFailure(err) == nil {
			return nil, err
		}
		return m.otherwise(ids, false), nil
	}
	if err := m.c.clock.Sleep(ctx, m.c.set.Settle); err != nil {
		return nil, err
	}
	after, _, err := m.read(ctx)
	if err != nil {
		return nil, err
	}
	if slices.Contains(after, victim) {
		m.c.log.Warn("the target ignores removals of members by value list; filters are used instead")
		m.c.members.learn(removalHarmful)
		return m.otherwise(ids, false), nil
	}
	left := slices.Delete(slices.Clone(ids), at, at+1)
	lost := slices.DeleteFunc(before, func(id string) bool { return id == victim || slices.Contains(after, id) })
	if len(lost) == 0 {
		m.c.members.learn(removalSafe)
		m.succeeded, m.tested = true, true
		return left, nil
	}
	m.c.members.learn(removalHarmful)
	return nil, m.wiped(ctx, slices.DeleteFunc(lost, func(id string) bool { return slices.Contains(ids, id) }))
}

// wiped puts back the members that the server took out unasked, and stops the job: an
// administrator has to know.
func (m *changingMembers) wiped(ctx context.Context, lost []string) error {
	back := &changingMembers{c: m.c, group: m.group, sh: m.sh, answers: map[string]error{}}
	for rest := lost; len(rest) > 0; {
		n := min(m.c.members.batch(false), len(rest))
		if err := back.batch(ctx, rest[:n]); err != nil {
			m.c.log.Error("members that the target removed unasked could not all be added back", zap.Int("count", len(rest)))
			break
		}
		rest = rest[n:]
	}
	missing := 0
	for _, err := range back.answers {
		if err != nil {
			missing++
		}
	}
	m.c.log.Error("the target emptied a group when asked to remove one member", zap.Int("count", len(lost)), zap.Int("failed", missing))
	return m.c.fail(engine.OutcomeQuarantine, engine.CodeMembersWiped,
		"asked to remove one member by value list, the target removed %d others too; they were added back (%d failed); from now on members are removed by filter. Set members.removeStyle: filter, check the group with id %s and start the job again",
		len(lost), missing, m.group)
}

// read reads the members of the group; shown is false if the answer has no members attribute.
func (m *changingMembers) read(ctx context.Context) (ids []string, shown bool, err error) {
	path, template := itemPath(engine.Group, m.group)
	rep, err := m.c.send(ctx, request{op: opGet, kind: engine.Group, method: http.MethodGet, path: path, template: template})
	if f := asFailure(err); f != nil && f.status != http.StatusNotFound && f.status != http.StatusGone {
		return nil, false, nil
	}
	if asTooLarge(err) {
		return nil, false, nil
	}
	if err != nil {
		return nil, false, err
	}
	v, err := parseJSON(rep.body, m.c.set.limits)
	doc, ok := v.(object)
	if err != nil || !ok {
		return nil, false, nil
	}
	list := membersOf(doc)
	return list.ids, list.shown, nil
}

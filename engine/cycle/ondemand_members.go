package cycle

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"

	"github.com/scimsync/scimsync/engine"
)

// membership is the work on the members of a group.
type membership struct {
	*onDemand
	task *task
	all  bool // not only those that were chosen
	said map[engine.Ref]said
	gone bool   // the group is missing at the target
	why  string // why nothing can be written
}

// said is what came of one member.
type said struct {
	status engine.LogStatus
	action engine.Action
	rule   engine.Rule
	reason engine.Reason
	code   engine.Code
	http   int
	text   string
}

// told are the members that the source tells of, as far as they were asked for.
func (m *membership) told() map[engine.Ref]bool {
	out := map[engine.Ref]bool{}
	for _, e := range edgesOf(m.job.Options.Nested, slices.Clone(m.task.in.Edges)) {
		if e.Relation != engine.Manager && e.To.Kind == engine.User || e.Relation == engine.Member {
			out[e.To] = out[e.To] || !e.Removed
		}
	}
	maps.DeleteFunc(out, func(_ engine.Ref, there bool) bool { return !there })
	return out
}

// chosen are the members that were asked for and found.
func (m *membership) chosen() []engine.Ref {
	var out []engine.Ref
	for _, c := range m.task.members {
		if c.status == "" {
			out = append(out, c.ref)
		}
	}
	return out
}

// write exports what waits.
func (m *membership) write(ctx context.Context, job *Job) error {
	h := engine.Holder{Ref: m.task.ref(), Link: *m.task.link}
	return m.waiting(ctx, func(waiting []engine.Membership) error {
		if m.gone {
			return nil
		}
		gone, err := m.task.runner.someMembers(ctx, job, m.cycle, h, waiting)
		m.gone = gone
		for _, s := range m.task.kept.settled() {
			m.settled(s)
		}
		return err
	})
}

// waiting yields what is to be written, in batches.
func (m *membership) waiting(ctx context.Context, yield func([]engine.Membership) error) error {
	ref := m.task.ref()
	switch {
	case m.dry:
		list, err := m.membersWanted(ctx, m.task, m.told(), m.chosen(), m.all)
		if err != nil {
			return err
		}
		for batch := range slices.Chunk(list, edgeBatch) {
			if err := yield(batch); err != nil {
				return err
			}
		}
	case m.all:
		for after := ""; ; {
			batch, err := m.Store.Waiting(ctx, m.job.ID, ref, engine.Member, after, edgeBatch)
			if err != nil || len(batch) == 0 {
				return err
			}
			after = batch[len(batch)-1].To.ID
			if err := yield(batch); err != nil {
				return err
			}
		}
	default:
		for refs := range slices.Chunk(m.chosen(), edgeBatch) {
			batch, err := m.Store.WaitingTo(ctx, m.job.ID, ref, engine.Member, refs)
			if err != nil {
				return err
			}
			if len(batch) == 0 {
				continue
			}
			if err := yield(batch); err != nil {
				return err
			}
		}
	}
	return nil
}

func (m *membership) settled(s engine.EdgesSettled) {
	added, removed := "added to the group", "removed from the group"
	if m.dry {
		added, removed = "would be added to the group", "would be removed from the group"
	}
	for _, r := range s.Added {
		m.said[r] = said{status: engine.StatusSuccess, action: engine.Update, rule: "G4", reason: engine.AttributesChanged, text: added}
	}
	for _, r := range s.Removed {
		m.said[r] = said{status: engine.StatusSuccess, action: engine.Update, rule: "G6", reason: engine.AttributesChanged, text: removed}
	}
	for _, r := range s.Asleep {
		m.said[r] = sleeps
	}
	for _, r := range s.Retry {
		m.said[r] = said{status: engine.StatusFailure, action: engine.Update, rule: "G4", code: engine.CodeGone, text: "the account of the member is gone from the target; the next cycle evaluates it"}
	}
	for r, e := range s.Failed {
		m.said[r] = said{status: engine.StatusFailure, action: engine.Update, rule: "G4", code: e.Code, http: e.Status, text: "the target refused the member: " + e.Detail}
	}
}

// sleeps is said of a member that is not provisioned.
var sleeps = said{status: engine.StatusWarning, action: engine.Skip, rule: "G5", code: engine.CodeUnresolved,
	text: "the member is not provisioned, so it was not added; provision it, and the membership is written by itself"}

// tell reports about the members: about each that was chosen, else about those to whom something happened or should have.
func (m *membership) tell(ctx context.Context) error {
	told := m.told()
	links := map[engine.Ref]engine.Link{}
	for _, k := range []engine.Kind{engine.User, engine.Group} {
		var ids []string
		for _, set := range []map[engine.Ref]bool{told, m.spoken()} {
			for r := range set {
				if r.Kind == k {
					ids = append(ids, r.ID)
				}
			}
		}
		slices.Sort(ids)
		for chunk := range slices.Chunk(slices.Compact(ids), BatchSize) {
			found, err := m.Store.LinksOf(ctx, m.job.ID, k, chunk)
			if err != nil {
				return err
			}
			for _, l := range found {
				links[l.Ref] = l
			}
		}
	}
	if m.dry {
		for _, t := range m.tasks {
			if t.out && t.link != nil {
				links[t.ref()] = *t.link
			}
		}
	}
	for r := range told {
		if _, spoken := m.said[r]; spoken {
			continue
		}
		l, linked := links[r]
		switch {
		case m.why != "":
			m.said[r] = said{status: engine.StatusSkipped, action: engine.Skip, rule: "G5", text: "not written: " + m.why}
		case m.gone:
			m.said[r] = said{status: engine.StatusFailure, action: engine.Update, rule: "G10", code: engine.CodeGone, text: "the group is gone from the target; the next cycle makes it anew with its members"}
		case !linked || l.State == engine.Released:
			m.said[r] = sleeps
		case !m.all:
			m.said[r] = said{status: engine.StatusSkipped, action: engine.Nothing, rule: "G4", reason: engine.RedundantExport, text: "is a member at the target already"}
		}
	}
	m.report(links)
	return nil
}

func (m *membership) spoken() map[engine.Ref]bool {
	out := map[engine.Ref]bool{}
	for r := range m.said {
		out[r] = true
	}
	return out
}

// report puts the members into the answer.
func (m *membership) report(links map[engine.Ref]engine.Link) {
	names := map[engine.Ref]string{}
	for r, l := range links {
		names[r] = l.Name
	}
	out := &outcome{}
	add := func(id engine.Identity, k engine.Kind, target string, s said) {
		m.task.answer.Members = append(m.task.answer.Members, m.memberAnswer(id, k, target, s))
		switch s.status {
		case engine.StatusSuccess:
			out.written++
		case engine.StatusWarning:
			out.asleep++
		case engine.StatusFailure:
			out.failed++
		}
		out.details = append(out.details, fact(cmp.Or(id.Name, id.ID), s.text))
	}
	reported := map[engine.Ref]bool{}
	for _, c := range m.task.members {
		switch s, is := m.said[c.ref]; {
		case c.status != "":
			add(engine.Identity{Name: c.asked}, engine.User, "", said{status: c.status, action: engine.Fail, code: c.code, text: c.text})
		case reported[c.ref]:
		case is:
			add(engine.Identity{ID: c.ref.ID, Name: c.name}, c.ref.Kind, links[c.ref].TargetID, s)
		default:
			add(engine.Identity{ID: c.ref.ID, Name: c.name}, c.ref.Kind, links[c.ref].TargetID,
				said{status: engine.StatusSkipped, action: engine.Nothing, rule: "G6", reason: engine.NotAssigned, text: "is not a member of the group at the source"})
		}
		reported[c.ref] = true
	}
	for _, r := range slices.SortedFunc(maps.Keys(m.said), compareRefs) {
		if !reported[r] {
			add(engine.Identity{ID: r.ID, Name: names[r]}, r.Kind, links[r].TargetID, m.said[r])
		}
	}
	if m.gone {
		out.failed++
	}
	m.referred(m.task, out, fmt.Sprintf("The members of the group (%d)", len(m.task.answer.Members)))
}

func (m *membership) memberAnswer(id engine.Identity, k engine.Kind, target string, s said) engine.Provisioned {
	now := m.Now().UTC()
	if Planned(target) {
		target = ""
	}
	return engine.Provisioned{
		Subject: id, Kind: k, Status: s.status, DryRun: m.dry, StartedAt: m.task.answer.StartedAt, EndedAt: now,
		Entry: engine.LogEntry{
			At: now, Job: m.job.ID, Cycle: m.cycle.ID, Kind: k, Action: s.action, Status: s.status, Rule: s.rule, Reason: s.reason, Code: s.code, HTTPStatus: s.http,
			Detail: s.text, Source: id, Target: engine.Identity{ID: target, Name: id.Name}, By: m.by,
		},
		Steps: []engine.Step{{Type: engine.StepReferences, Name: "EntryReferenceResolution", Status: s.status, Description: s.text, At: now}},
	}
}

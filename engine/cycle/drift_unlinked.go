package cycle

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/scimsync/scimsync/engine"
)

// unlinked is an account without a link.
type unlinked struct {
	id, name string
	hits     []hit
}

// resolve classes the accounts without a link. Only when all are known can be said what matches what.
func (a *accounts) resolve(ctx context.Context) error {
	if err := a.linkedSince(ctx); err != nil {
		return err
	}
	c := contest{sources: a.sources, orphans: a.orphans, best: map[int32]claimed{}}
	for _, u := range a.unlinked {
		c.enter(u)
	}
	for chunk := range slices.Chunk(a.unlinked, BatchSize) {
		var fixes []fix
		var toLink []string
		findings := make([]engine.DriftFinding, 0, len(chunk))
		for _, u := range chunk {
			f, n := c.class(u)
			f.Kind, f.Target = a.kind, engine.Identity{ID: u.id, Name: u.name}
			a.result.Classes[f.Class]++
			findings = append(findings, f)
			// A link that leads to an account that is gone is dealt with already.
			if f.Class == engine.DriftAssigned && a.sources.list[n].enabled && !a.sources.list[n].linked {
				fixes = append(fixes, fix{ref: engine.Ref{Kind: a.kind, ID: f.Source.ID}, remedy: remedyQueue})
				toLink = append(toLink, f.Source.ID)
			}
		}
		busy, err := a.underway(ctx, toLink) // being linked, or just created
		if err != nil {
			return err
		}
		fixes = slices.DeleteFunc(fixes, func(f fix) bool { return busy[f.ref.ID] })
		findings = slices.DeleteFunc(findings, func(f engine.DriftFinding) bool { return f.Class == engine.DriftAssigned && busy[f.Source.ID] })
		if err := a.settle(ctx, fixes, findings); err != nil {
			return err
		}
		a.progress(0)
	}
	a.unlinked = nil
	return nil
}

// linkedSince takes out accounts that a cycle has linked since they were listed.
func (a *accounts) linkedSince(ctx context.Context) error {
	for chunk := range slices.Chunk(a.unlinked, BatchSize) {
		ids := make([]string, len(chunk))
		for i, u := range chunk {
			ids[i] = u.id
		}
		links, err := a.Store.LinkedTo(ctx, a.job.ID, a.kind, ids)
		if err != nil {
			return err
		}
		for i := range chunk {
			if _, linked := links[chunk[i].id]; linked {
				a.result.Classes[engine.DriftAssigned]++
				chunk[i].id = ""
			}
		}
	}
	a.unlinked = slices.DeleteFunc(a.unlinked, func(u unlinked) bool { return u.id == "" })
	return nil
}

// contest finds out which accounts the source objects would be matched with: a source object takes the first matching attribute
// that finds any account, and only one account (section 8).
type contest struct {
	sources *sources
	orphans map[string]bool
	best    map[int32]claimed
}

// claimed is what a source object finds: how many accounts, by which attribute.
type claimed struct {
	rank     uint8
	accounts int
}

func (c contest) enter(u unlinked) {
	for _, h := range u.hits {
		switch b, known := c.best[h.source]; {
		case !known || h.rank < b.rank:
			c.best[h.source] = claimed{h.rank, 1}
		case h.rank == b.rank:
			c.best[h.source] = claimed{h.rank, b.accounts + 1}
		}
	}
}

// class says what an account is, and which source object it is about if it is about one.
func (c contest) class(u unlinked) (f engine.DriftFinding, of int32) {
	hits := slices.DeleteFunc(slices.Clone(u.hits), func(h hit) bool { return !c.sources.list[h.source].scoped })
	scoped, others := len(hits) > 0, len(u.hits)-len(hits)
	if !scoped {
		hits, others = u.hits, 0
	}
	if len(hits) == 0 {
		f.Class = engine.DriftLocal
		f.Detail = "no source object that was ever in scope matches it; of others the matching values are not known"
		return f, -1
	}
	f.Class, of = engine.DriftUnassigned, hits[0].source
	if scoped {
		f.Class = engine.DriftAssigned
	}
	var first []hit // those that would find this account first
	for _, h := range hits {
		if !c.has(h.source) && c.best[h.source].rank == h.rank {
			first = append(first, h)
		}
	}
	switch {
	case len(first) == 0:
		f.Class, f.Detail = engine.DriftAmbiguous, fmt.Sprintf("it matches %s, to which another account belongs", c.names(hits))
	case len(first) > 1:
		f.Class, f.Detail = engine.DriftAmbiguous, fmt.Sprintf("it matches several source objects: %s", c.names(first))
	case c.best[first[0].source].accounts > 1:
		f.Class, f.Detail = engine.DriftAmbiguous, fmt.Sprintf("it is one of %d accounts that match %s by %s", c.best[first[0].source].accounts,
			c.names(first), c.sources.matching[first[0].rank].Target)
	default:
		of = first[0].source
		f.Detail = "it matches by " + c.sources.matching[first[0].rank].Target.String()
	}
	if len(hits) > 1 && f.Class == engine.DriftAmbiguous {
		return f, -1
	}
	s := c.sources.list[of]
	f.Source.ID = s.id
	if f.Class == engine.DriftAssigned && !s.enabled {
		f.Detail += "; it is not linked while the sign-in is blocked at the source"
	}
	if others > 0 {
		f.Detail += fmt.Sprintf("; %d source objects that are not in scope match as well", others)
	}
	return f, of
}

// has reports whether a source object has an account: its link leads to one that is not known to be gone.
func (c contest) has(n int32) bool {
	s := c.sources.list[n]
	return s.linked && !c.orphans[s.id]
}

// names lists the ids of source objects, the first few of many.
func (c contest) names(hits []hit) string {
	const most = 5
	var ids []string
	for _, h := range hits[:min(len(hits), most)] {
		ids = append(ids, c.sources.list[h.source].id)
	}
	if more := len(hits) - most; more > 0 {
		ids = append(ids, fmt.Sprintf("%d more", more))
	}
	return strings.Join(ids, ", ")
}

// accountName is what people at the target call an object.
func accountName(k engine.Kind, res engine.Resource) string {
	for _, attribute := range []string{"userName", "displayName"} {
		if s, ok := res.Attributes[attribute].(string); ok && s != "" && (k == engine.User || attribute == "displayName") {
			return s
		}
	}
	return ""
}

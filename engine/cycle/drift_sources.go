package cycle

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"

	"golang.org/x/text/unicode/norm"

	"github.com/scimsync/scimsync/engine"
	"github.com/scimsync/scimsync/engine/decide"
	"github.com/scimsync/scimsync/mapping"
)

// sources are the source objects of a kind that the store knows with attributes, and the matching values that the mapping
// yields for them.
type sources struct {
	matching []*mapping.Attribute // in the order in which they are searched
	list     []source
	by       map[string]int32   // the first source object with a matching value, by matchKey
	also     map[string][]int32 // further ones
}

// source is what is kept of one source object.
type source struct {
	id      string
	scoped  bool // alive and in scope
	enabled bool // its sign-in is not blocked
	linked  bool
}

// index evaluates the mapping of every source object of a kind.
func (d *comparison) index(ctx context.Context, k engine.Kind) (*sources, error) {
	s := &sources{by: map[string]int32{}, also: map[string][]int32{}}
	m := d.mapping(k)
	for i := range m.Attributes {
		if m.Attributes[i].Match > 0 {
			s.matching = append(s.matching, &m.Attributes[i])
		}
	}
	slices.SortStableFunc(s.matching, func(a, b *mapping.Attribute) int { return cmp.Compare(a.Match, b.Match) })
	for after := ""; ; {
		objects, err := d.Store.ListObjects(ctx, d.job.ID, k, after, BatchSize)
		if err != nil || len(objects) == 0 {
			return s, err
		}
		after = objects[len(objects)-1].ID
		objects = slices.DeleteFunc(objects, func(o engine.Stored) bool { return o.Attributes == nil })
		known, err := d.known(ctx, k, objects)
		if err != nil {
			return nil, err
		}
		for _, q := range known {
			s.add(d.facts(q, anyValue), q)
		}
		d.beat(d.done)
	}
}

// known completes stored objects with how they are assigned and linked.
func (d *comparison) known(ctx context.Context, k engine.Kind, objects []engine.Stored) ([]engine.Queued, error) {
	ids := make([]string, len(objects))
	for i, o := range objects {
		ids[i] = o.ID
	}
	paths, err := d.Store.AssignmentPaths(ctx, d.job.ID, k, ids)
	if err != nil {
		return nil, err
	}
	links, err := d.Store.LinksOf(ctx, d.job.ID, k, ids)
	if err != nil {
		return nil, err
	}
	out := make([]engine.Queued, len(objects))
	for i, o := range objects {
		out[i] = engine.Queued{Ref: o.Ref, Known: true, Object: o, Paths: paths[o.ID]}
		if l, ok := links[o.ID]; ok {
			out[i].Link = &l
		}
	}
	return out, nil
}

// add adds one source object. A matching value that cannot be computed is none.
func (s *sources) add(f decide.Facts, q engine.Queued) {
	n := int32(len(s.list))
	s.list = append(s.list, source{
		id: q.ID, linked: q.Link != nil, enabled: f.Factors.Enabled,
		scoped: f.State == engine.Active && f.Factors.InScope() && !f.Factors.Ignored,
	})
	for _, v := range f.Desired.Matching() {
		rank := slices.IndexFunc(s.matching, func(a *mapping.Attribute) bool { return a.Target.Same(v.Path) })
		for _, key := range matchKeys(rank, s.matching[rank], q.Kind, v.Value) {
			if _, taken := s.by[key]; taken {
				s.also[key] = append(s.also[key], n)
				continue
			}
			s.by[key] = n
		}
	}
}

// hit says that an account has a matching value of a source object.
type hit struct {
	source int32
	rank   uint8 // of the attribute, in the order in which they are searched
}

// hits finds the source objects whose matching values an account has, each with the first attribute that does.
func (s *sources) hits(k engine.Kind, res engine.Resource) []hit {
	var out []hit
	for rank, a := range s.matching {
		for _, key := range matchKeys(rank, a, k, res.Read(a.Target)) {
			first, ok := s.by[key]
			if !ok {
				continue
			}
			for _, n := range append([]int32{first}, s.also[key]...) {
				if !slices.ContainsFunc(out, func(h hit) bool { return h.source == n }) {
					out = append(out, hit{n, uint8(min(rank, 255))})
				}
			}
		}
	}
	return out
}

// matchKeys are the keys of a value at a matching attribute, several for a list. They are equal where a search would take the values for the
// same (scim-target.md 17.2): names of accounts and groups without regard to case, ids exactly, all in Unicode NFC.
func matchKeys(rank int, a *mapping.Attribute, k engine.Kind, value any) []string {
	fold := !a.Definition.CaseExact || k == engine.Group && a.Target.Key() == "displayname"
	if p := a.Target.Key(); p == "id" || p == "externalid" {
		fold = false
	}
	list, several := value.([]any)
	if !several {
		list = []any{value}
	}
	var out []string
	for _, v := range list {
		if m, ok := v.(map[string]any); ok {
			v = m["value"]
		}
		if v == nil || v == "" {
			continue
		}
		text := norm.NFC.String(fmt.Sprint(v))
		if fold {
			text = strings.ToLower(text)
		}
		out = append(out, fmt.Sprintf("%d %s", rank, text))
	}
	return out
}

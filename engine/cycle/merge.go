package cycle

import (
	"context"
	"maps"
	"reflect"
	"slices"

	"github.com/scimsync/scimsync/engine"
	"github.com/scimsync/scimsync/mapping"
)

// batch is some objects of one kind, before and after what a page or a lookup told about them.
type batch struct {
	kind    engine.Kind
	all     bool // the job takes every object
	before  map[string]engine.Stored
	now     map[string]engine.Object
	changed map[string]bool
	order   []string // ids as they first came
	links   map[string]engine.Link
	paths   map[string][]engine.AssignmentPath
}

func (im *importer) batch(ctx context.Context, k engine.Kind, ids []string) (*batch, error) {
	b := &batch{kind: k, all: im.job.Scope == engine.ScopeAll, now: map[string]engine.Object{}, changed: map[string]bool{}}
	var err error
	if b.before, err = im.Store.Objects(ctx, im.job.ID, k, ids); err != nil {
		return nil, err
	}
	if b.links, err = im.Store.LinksOf(ctx, im.job.ID, k, ids); err != nil {
		return nil, err
	}
	if !b.all {
		b.paths, err = im.Store.AssignmentPaths(ctx, im.job.ID, k, ids)
	}
	return b, err
}

// concerns reports whether the object can matter to the target: it is assigned or linked. Of all
// others only the state is stored (graph-source.md section 20), and they are not evaluated.
func (b *batch) concerns(id string) bool {
	_, linked := b.links[id]
	return b.all || linked || len(b.paths[id]) > 0
}

// merge adds what is told about an object to what is known of it (GS-MG-2).
func (b *batch) merge(o engine.Object) {
	was, known := b.now[o.ID]
	if !known {
		b.order = append(b.order, o.ID)
		var stored engine.Stored
		if stored, known = b.before[o.ID]; known {
			was = stored.Object
		}
	}
	if !known && o.State != engine.Active {
		// A tombstone of an object that was never told about says nothing new. It is marked as
		// unchanged, and so not stored with attributes.
		b.now[o.ID] = engine.Object{Ref: o.Ref, State: o.State}
		return
	}
	now := merged(was, o, b.concerns(o.ID))
	if !known || !equal(was, now) {
		b.changed[o.ID] = true
	}
	b.now[o.ID] = now
}

// merged is an object after news about it. keep says that its attributes are to be remembered.
func merged(was, news engine.Object, keep bool) engine.Object {
	now := engine.Object{Ref: news.Ref, State: news.State, Conveys: news.Conveys}
	if news.Partial {
		now.Conveys = was.Conveys
	}
	if news.Kind == engine.Group {
		if v, told := news.Attributes["securityEnabled"]; told {
			now.Conveys = v == true
		}
	}
	switch {
	case !keep || news.State == engine.HardDeleted:
		// Not to be remembered: out of the scope, or gone for good (GS-US: drop attributes, keep id).
	case news.Attributes == nil:
		now.Attributes = was.Attributes
	case news.Partial:
		// An object that was stored without attributes stays so until it is looked up whole: news
		// alone would look like all there is.
		if was.Attributes == nil && was.State != "" {
			break
		}
		now.Attributes = make(mapping.Attributes, len(was.Attributes)+len(news.Attributes))
		maps.Copy(now.Attributes, was.Attributes)
		for name, v := range news.Attributes {
			if v == nil {
				delete(now.Attributes, name)
				continue
			}
			now.Attributes[name] = v
		}
	default:
		now.Attributes = make(mapping.Attributes, len(news.Attributes))
		for name, v := range news.Attributes {
			if v != nil {
				now.Attributes[name] = v
			}
		}
	}
	return now
}

// equal reports whether nothing changed: it is the filter for replays (GS-MG-3). Lists of texts are
// sets.
func equal(a, b engine.Object) bool {
	if a.State != b.State || a.Conveys != b.Conveys || (a.Attributes == nil) != (b.Attributes == nil) {
		return false
	}
	return maps.EqualFunc(a.Attributes, b.Attributes, func(x, y any) bool {
		xs, ok1 := x.([]any)
		ys, ok2 := y.([]any)
		if ok1 && ok2 && len(xs) == len(ys) {
			xt, yt := texts(xs), texts(ys)
			if xt != nil && yt != nil {
				return slices.Equal(xt, yt)
			}
		}
		return reflect.DeepEqual(x, y)
	})
}

// texts returns the elements in order if all of them are texts, else nil.
func texts(vs []any) []string {
	out := make([]string, 0, len(vs))
	for _, v := range vs {
		s, ok := v.(string)
		if !ok {
			return nil
		}
		out = append(out, s)
	}
	slices.Sort(out)
	return out
}

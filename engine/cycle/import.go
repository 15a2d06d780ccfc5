package cycle

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"go.uber.org/zap"

	"github.com/scimsync/scimsync/engine"
	"github.com/scimsync/scimsync/mapping"
)

// maxRestarts is how often a round may begin anew in one cycle (GS-DL-6).
const maxRestarts = 2

// lookupSize is the number of objects asked for in one Lookup.
const lookupSize = 100

// Import reads what the source has to tell since the watermarks: who is assigned, then groups with
// their members, then users, so that everybody's scope is known when they are read (GS-OR-1). Each page
// is stored with its cursor before the next is taken; a watermark moves when its round is complete.
func (r *Runner) Import(ctx context.Context, c engine.Cycle, beat Beat) error {
	job, err := r.jobIn(ctx, c)
	if err != nil {
		return err
	}
	im := &importer{Runner: r, job: job, cycle: c, beat: beat}
	if err := r.probe(ctx, job, c); err != nil {
		return err
	}
	for _, feed := range feeds(job) {
		if err := im.feed(ctx, feed); err != nil {
			return stopped(fmt.Errorf("import %s: %w", feed, err))
		}
	}
	if err := im.expand(ctx); err != nil {
		return err
	}
	if err := im.emptyBin(ctx); err != nil {
		return stopped(fmt.Errorf("look up who was deleted: %w", err))
	}
	for _, k := range kinds(job) {
		if err := im.hydrate(ctx, k); err != nil {
			return stopped(fmt.Errorf("import %ss that entered the scope: %w", k, err))
		}
	}
	return r.count(ctx, job, c, nil)
}

func feeds(job *Job) []engine.Feed {
	var fs []engine.Feed
	if job.Scope == engine.ScopeAssigned || usesRoles(job) {
		fs = append(fs, engine.FeedAssignments)
	}
	if job.Scope == engine.ScopeAssigned || job.Mapping.Groups.Enabled {
		fs = append(fs, engine.FeedGroups)
	}
	return append(fs, engine.FeedUsers)
}

// usesRoles reports whether a mapping or filter of users reads their roles.
func usesRoles(job *Job) bool {
	return slices.Contains(job.Mapping.Users.SourceAttributes(), "appRoleAssignments")
}

func kinds(job *Job) []engine.Kind {
	if job.Mapping.Groups.Enabled {
		return []engine.Kind{engine.User, engine.Group}
	}
	return []engine.Kind{engine.User}
}

// kindOf is the kind of object that a feed tells about; assignments tell about none.
func kindOf(f engine.Feed) engine.Kind {
	switch f {
	case engine.FeedUsers:
		return engine.User
	case engine.FeedGroups:
		return engine.Group
	default:
		return ""
	}
}

type importer struct {
	*Runner
	job   *Job
	cycle engine.Cycle
	beat  Beat
	done  int
}

// feed reads one round of a feed to its end, beginning it anew when the source no longer accepts
// where it stood: from the kept watermark first, then with a full read.
func (im *importer) feed(ctx context.Context, f engine.Feed) error {
	for restarts := 0; ; restarts++ {
		st, err := im.open(ctx, f)
		if err != nil {
			return err
		}
		err = im.round(ctx, f, st)
		if !errors.Is(err, engine.ErrCursorExpired) {
			return err
		}
		if restarts == maxRestarts {
			return &engine.SourceError{Code: engine.CodeSourcePage, Transient: true, Err: err,
				Message: fmt.Sprintf("the source refused its own links %d times in one cycle; the next cycle tries again", restarts+1)}
		}
		full := st.Full || st.Cursor == "" || st.Cursor == st.Watermark
		im.log(im.cycle).Warn("the source no longer accepts where the feed stood; reading again",
			zap.String("feed", string(f)), zap.Bool("full", full))
		if _, err := im.Store.OpenRound(ctx, im.job.ID, f, full, im.job.Source.Selection(f)); err != nil {
			return err
		}
		if full && im.cycle.Kind == engine.Incremental && !im.job.Source.Snapshot(f) {
			im.cycle.Kind = engine.Initial
			if err := im.Store.SetKind(ctx, im.job.ID, im.cycle.ID, engine.Initial); err != nil {
				return err
			}
		}
	}
}

// open returns the round to read: the one that was interrupted, or a new one.
func (im *importer) open(ctx context.Context, f engine.Feed) (engine.FeedState, error) {
	st, err := im.Store.FeedState(ctx, im.job.ID, f)
	selection := im.job.Source.Selection(f)
	// A round that was not believed is read anew: to go on with it would never bring who is missing.
	if err != nil || st.Open && st.Selection == selection && !st.Suspect {
		return st, err
	}
	full := st.Suspect || st.Watermark == "" || st.Selection != selection || im.job.Source.Snapshot(f)
	return im.Store.OpenRound(ctx, im.job.ID, f, full, selection)
}

// round reads pages until the round is complete and publishes its watermark.
func (im *importer) round(ctx context.Context, f engine.Feed, st engine.FeedState) error {
	from := st.Cursor
	if from == "" && !st.Full {
		from = st.Watermark
	}
	for page, err := range im.job.Source.Pages(ctx, f, from) {
		if err != nil {
			return err
		}
		w, err := im.page(ctx, f, st, page)
		if err != nil {
			return err
		}
		if err := im.Store.SavePage(ctx, im.job.ID, f, w); err != nil {
			return err
		}
		im.done += len(page.Objects) + len(page.Assignments)
		im.beat(im.done)
		if err := im.note(ctx, im.job, im.cycle, engine.Counts{engine.ObjectsImported: len(page.Objects)}); err != nil {
			return err
		}
		if !page.Done {
			continue
		}
		if st.Full && kindOf(f) != "" {
			if suspect, err := im.confirmMissing(ctx, f, st.Generation); err != nil || suspect {
				return err
			}
		}
		return im.Store.CloseRound(ctx, im.job.ID, f, page.Next)
	}
	return &engine.SourceError{Code: engine.CodeSourcePage, Transient: true, Message: "the feed ended without a last page"}
}

// page merges a page with what is stored and chooses what must be evaluated.
func (im *importer) page(ctx context.Context, f engine.Feed, st engine.FeedState, p engine.Page) (engine.PageWrite, error) {
	w := engine.PageWrite{Generation: st.Generation, Edges: edgesOf(im.job.Options.Nested, p.Edges), Assignments: p.Assignments, Next: p.Next}
	if len(p.Objects) == 0 {
		return w, nil
	}
	b, err := im.batch(ctx, kindOf(f), ids(p.Objects))
	if err != nil {
		return w, err
	}
	for _, o := range p.Objects {
		// The first time that a full read tells about an object it tells all there is: what it leaves
		// out has no value any more.
		if _, again := b.now[o.ID]; st.Full && !again && b.before[o.ID].Generation < st.Generation {
			o.Partial = false
		}
		b.merge(o)
	}
	if err := im.settleLives(ctx, b, p.Objects); err != nil {
		return w, err
	}
	for _, id := range b.order {
		o, changed := b.now[id], b.changed[id]
		switch {
		case changed:
			w.Objects = append(w.Objects, o)
		default:
			w.Seen = append(w.Seen, o.Ref)
		}
		if b.concerns(id) && (changed || st.Full) {
			w.Queue = append(w.Queue, o.Ref)
		}
	}
	return w, nil
}

// edgesOf are the edges of told that count, in the form in which they are stored; told is used up. By default a
// group inside a group neither extends the scope nor is a member at the target (GS-AS-2, 13.2).
func edgesOf(nested engine.NestedGroups, told []engine.Edge) []engine.Edge {
	switch nested {
	case engine.NestedAsMembers:
		return told
	case engine.NestedExpand:
		for i := range told {
			if told[i].Relation == engine.Member {
				told[i].Relation = engine.Direct
			}
		}
		return told
	default:
		return slices.DeleteFunc(told, func(e engine.Edge) bool { return e.Relation == engine.Member && e.To.Kind == engine.Group })
	}
}

// settleLives reads the objects that went to the recycle bin or came back from it: the bin holds
// the rewritten name, and an object that came back may be told only in part (GS-US-5, 11.3). Only
// attributes are taken from the answer. Where it contradicts the feed it comes from a replica that is
// behind, and who left would stay, or lose the account for good; what is newer than the feed comes
// with its next round.
func (im *importer) settleLives(ctx context.Context, b *batch, told []engine.Object) error {
	var binned, back []string
	for _, id := range b.order {
		was, known := b.before[id]
		_, linked := b.links[id]
		switch now := b.now[id].State; {
		case !known || !linked || was.State == now:
		case now == engine.SoftDeleted:
			binned = append(binned, id)
		case now == engine.Active:
			back = append(back, id)
		}
	}
	if err := im.settleBinned(ctx, b, binned); err != nil {
		return err
	}
	for chunk := range slices.Chunk(back, lookupSize) {
		found, err := im.job.Source.Lookup(ctx, b.kind, chunk)
		if err != nil {
			return err
		}
		for _, o := range found {
			switch {
			case o.State == engine.Active:
				b.merge(o)
			case !whole(b.before[o.ID].Attributes, told, o.ID):
				return &engine.SourceError{Code: engine.CodeSourceUnavailable, Transient: true,
					Message: "the directory told in part about an object that came back and does not show it yet; the next cycle asks again"}
			}
		}
	}
	return nil
}

// settleBinned adds what the recycle bin says of objects that were deleted. That they left is certain
// without it, so a bin that cannot be read at all keeps nobody's access alive.
func (im *importer) settleBinned(ctx context.Context, b *batch, binned []string) error {
	for chunk := range slices.Chunk(binned, lookupSize) {
		found, err := im.job.Source.Lookup(ctx, b.kind, chunk)
		var refused *engine.SourceError
		if errors.As(err, &refused) && !refused.Transient && refused.Code != engine.CodeSourceUnauthorized {
			im.log(im.cycle).Warn("the recycle bin cannot be read; who was deleted is disabled and keeps the name",
				zap.Int("count", len(chunk)), zap.String("code", string(refused.Code)), zap.Int("status", refused.Status))
			continue
		}
		if err != nil {
			return err
		}
		for _, o := range found {
			if o.State == engine.SoftDeleted {
				b.merge(o)
			}
		}
	}
	return nil
}

// whole reports whether news about an object speak of every attribute that is stored of it.
func whole(stored mapping.Attributes, told []engine.Object, id string) bool {
	for name := range stored {
		if !slices.ContainsFunc(told, func(o engine.Object) bool {
			_, is := o.Attributes[name]
			return is && o.ID == id
		}) {
			return false
		}
	}
	return true
}

// expand derives the members of groups from those of the groups inside them (13.2).
func (im *importer) expand(ctx context.Context) error {
	if im.job.Options.Nested != engine.NestedExpand {
		return nil
	}
	n, err := im.Store.Expand(ctx, im.job.ID, im.job.Scope == engine.ScopeAll)
	if err == nil && n > 0 {
		im.log(im.cycle).Info("nested groups were expanded", zap.Int("count", n))
	}
	return err
}

// hydrate reads the attributes of queued objects that were outside of the scope when they were
// last told and so were not stored.
func (im *importer) hydrate(ctx context.Context, k engine.Kind) error {
	for after := ""; ; {
		bare, err := im.Store.Bare(ctx, im.job.ID, k, im.job.Scope == engine.ScopeAll, after, lookupSize)
		if err != nil || len(bare) == 0 {
			return err
		}
		if err := im.lookup(ctx, k, bare); err != nil {
			return err
		}
		after = bare[len(bare)-1]
		im.beat(im.done)
	}
}

// lookup reads objects by id and stores what came, queued where it concerns the target.
func (im *importer) lookup(ctx context.Context, k engine.Kind, want []string) error {
	b, err := im.batch(ctx, k, want)
	if err != nil {
		return err
	}
	found, err := im.job.Source.Lookup(ctx, k, want)
	if err != nil {
		return err
	}
	var put []engine.Object
	var queue []engine.Ref
	for _, o := range found {
		b.merge(o)
		if !b.changed[o.ID] {
			continue
		}
		put = append(put, b.now[o.ID])
		if b.concerns(o.ID) {
			queue = append(queue, o.Ref)
		}
	}
	im.done += len(found)
	return im.Store.PutObjects(ctx, im.job.ID, put, queue)
}

func ids(os []engine.Object) []string {
	out := make([]string, 0, len(os))
	for _, o := range os {
		out = append(out, o.ID)
	}
	slices.Sort(out)
	return slices.Compact(out)
}

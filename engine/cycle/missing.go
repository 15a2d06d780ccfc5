package cycle

import (
	"context"
	"slices"
	"time"

	"go.uber.org/zap"

	"github.com/scimsync/scimsync/engine"
	"github.com/scimsync/scimsync/engine/decide"
)

// confirmMissing asks for every object that a full read no longer contained: it may be in the
// recycle bin, gone, or there all the same (GS-RS-2). A read that misses too many is suspect: nothing is
// concluded from it, its watermark is not published, and what it lacks is held until somebody approves (18.8).
func (im *importer) confirmMissing(ctx context.Context, f engine.Feed, generation int64) (suspect bool, err error) {
	k := kindOf(f)
	known, seen, err := im.Store.CountObjects(ctx, im.job.ID, k, generation)
	if err != nil {
		return false, err
	}
	if missing := known - seen; decide.Truncated(known, seen) || decide.Suspect(known, missing) {
		lg := im.log(im.cycle).With(zap.String("object_type", string(k)), zap.Int("known", known), zap.Int("missing", missing))
		if !im.job.Options.Deletions.Off {
			lg.Warn("a full read lacks so many objects that it is not believed; what it lacks is held")
			if err := im.Store.MarkSuspect(ctx, im.job.ID, f); err != nil {
				return true, err
			}
			return true, im.approvedMissing(ctx, f, generation)
		}
		lg.Warn("a full read lacks many objects; each is asked for, because the deletion guard is off")
	}
	for after := ""; ; {
		missing, err := im.Store.Unseen(ctx, im.job.ID, k, generation, after, lookupSize)
		if err != nil || len(missing) == 0 {
			return false, err
		}
		if err := im.lookup(ctx, k, missing); err != nil {
			return false, err
		}
		after = missing[len(missing)-1]
	}
}

// approvedMissing asks the source about the objects that a suspect read lacks and that somebody approved to
// be taken away: only what it says of each one is believed.
func (im *importer) approvedMissing(ctx context.Context, f engine.Feed, generation int64) error {
	k := kindOf(f)
	for after := ""; ; {
		held, err := im.Store.Changes(ctx, im.job.ID, k, heldStates, after, BatchSize)
		if err != nil || len(held) == 0 {
			return err
		}
		var approved []string
		for _, q := range held {
			after = q.ID
			if h := q.Hold; h != nil && h.Cause == engine.HoldMissing && h.Verdict == engine.Approved && im.Now().Before(h.Until) {
				approved = append(approved, q.ID)
			}
		}
		for chunk := range slices.Chunk(approved, lookupSize) {
			if err := im.confirm(ctx, f, generation, chunk); err != nil {
				return err
			}
		}
	}
}

// heldStates are those of changes with a hold: the import queues them anew when it marks their feed.
var heldStates = []engine.ChangeState{engine.ChangeHeld, engine.ChangeQueued}

// confirm looks objects up and stores what it finds as part of the open round.
func (im *importer) confirm(ctx context.Context, f engine.Feed, generation int64, want []string) error {
	st, err := im.Store.FeedState(ctx, im.job.ID, f)
	if err != nil {
		return err
	}
	b, err := im.batch(ctx, kindOf(f), want)
	if err != nil {
		return err
	}
	found, err := im.job.Source.Lookup(ctx, kindOf(f), want)
	if err != nil {
		return err
	}
	w := engine.PageWrite{Generation: generation, Next: st.Cursor}
	for _, o := range found {
		b.merge(o)
		if b.changed[o.ID] {
			w.Objects = append(w.Objects, b.now[o.ID])
		} else {
			w.Seen = append(w.Seen, o.Ref)
		}
		w.Queue = append(w.Queue, o.Ref)
	}
	return im.Store.SavePage(ctx, im.job.ID, f, w)
}

// binEvery is how often recycled objects are looked up although the source told nothing of them (11.3).
const binEvery = 24 * time.Hour

// emptyBin asks, once a day, what became of the linked objects in the recycle bin: who is gone for good
// although no feed ever said so is deleted at the target too.
func (im *importer) emptyBin(ctx context.Context) error {
	control, err := im.Store.Control(ctx, im.job.ID)
	now := im.Now().UTC()
	if err != nil || now.Sub(control.BinAt) < binEvery {
		return err
	}
	for _, k := range kinds(im.job) {
		for after := ""; ; {
			links, err := im.Store.Links(ctx, im.job.ID, k, after, BatchSize)
			if err != nil {
				return err
			}
			if len(links) == 0 {
				break
			}
			var recycled []string
			for _, l := range links {
				after = l.ID
				if l.Recycled && l.State == engine.Suspended {
					recycled = append(recycled, l.ID)
				}
			}
			for chunk := range slices.Chunk(recycled, lookupSize) {
				if err := im.lookup(ctx, k, chunk); err != nil {
					return err
				}
			}
			im.beat(im.done)
		}
	}
	_, err = im.Store.UpdateControl(ctx, im.job.ID, func(c *engine.Control) error {
		c.BinAt = now
		return nil
	})
	return err
}

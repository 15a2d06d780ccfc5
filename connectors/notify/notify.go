package notify

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/cenkalti/backoff/v4"
	"go.uber.org/zap"

	"github.com/scimsync/scimsync/engine"
)

// Recipients says who is told about a job.
type Recipients struct {
	Email     []string // addresses, for example ops@example.com
	OnFailure bool     // mail is sent at all
	Digest    bool     // the failures of each cycle are told, too
}

// Dispatcher delivers what is in the outbox. Its fields are set before it is used; it may be used concurrently,
// and beside dispatchers of other processes.
type Dispatcher struct {
	Outbox   engine.Notices
	Mail     *Mail // nil: no mail
	Webhooks []*Webhook
	Jobs     map[engine.JobID]Recipients
	Log      *zap.Logger
	Now      func() time.Time // nil: time.Now

	// Stubborn is how long it is tried to record a delivery when the store is not there; 0: 20s.
	Stubborn time.Duration
}

// Times of one delivery.
const (
	pageSize  = 50
	sendLimit = 90 * time.Second // to one channel; each has shorter limits of its own
	claimed   = 3 * time.Minute  // how long a claim lasts; more than sendLimit and the recording take
	grace     = 5 * time.Second  // for what is being sent when the process is told to stop
)

// channel is a way by which people or programs are told.
type channel interface {
	// name is what Delivered says of it.
	name() string
	// label names it in the log.
	label() string
	// send delivers n and returns what is to be added to Delivered, also beside an error: some of many may have
	// taken it.
	send(ctx context.Context, n engine.Notice) ([]string, error)
}

// refused is what Delivered says of a channel that will never take a notice.
const refused = "gone:"

// Dispatch delivers the notices that are due and returns when there are none left. What a channel refuses is logged
// and waits for its next try; an error is one of the store. When ctx ends, what is being sent may take 5 more
// seconds.
func (d *Dispatcher) Dispatch(ctx context.Context) error {
	down := map[string]bool{}
	for {
		due, err := d.Outbox.DueNotices(ctx, d.now(), pageSize)
		if err != nil {
			return fmt.Errorf("list notices: %w", err)
		}
		any := false
		for _, n := range due {
			if ctx.Err() != nil {
				return context.Cause(ctx)
			}
			mine, err := d.Outbox.ClaimNotice(ctx, n, d.now().Add(claimed))
			if err != nil {
				return fmt.Errorf("claim notice %d: %w", n.ID, err)
			}
			if !mine {
				continue
			}
			any = true
			n.Attempts++
			n.Due = d.now().Add(claimed)
			if err := d.deliver(ctx, n, down); err != nil {
				return fmt.Errorf("record the delivery of notice %d: %w", n.ID, err)
			}
		}
		if len(due) < pageSize || !any {
			return nil
		}
	}
}

// deliver offers a claimed notice to all channels that have not got it. down are those that did not answer earlier
// in the round.
func (d *Dispatcher) deliver(ctx context.Context, n engine.Notice, down map[string]bool) error {
	asked := n // what is sent does not change while the answers come in
	var missing []channel
	for _, c := range d.channels(n) {
		if !has(n, c) {
			missing = append(missing, c)
		}
	}
	results := make(chan result, len(missing))
	var wg sync.WaitGroup
	for _, c := range missing {
		if down[c.name()] {
			results <- result{c, nil, &fault{stage: "send", reason: "left alone, because it did not answer a moment ago", down: true}}
			continue
		}
		wg.Go(func() {
			sending, cancel := lenient(ctx)
			defer cancel()
			took, err := c.send(sending, asked)
			results <- result{c, took, err}
		})
	}
	defer wg.Wait()

	var failed []result
	var errs []error
	for range missing {
		r := <-results
		if f, ok := errors.AsType[*fault](r.err); ok && f.gone {
			r.took, r.err = append(r.took, refused+r.channel.name()), nil
			d.log(n, r.channel).Warn("notice refused for good, not sent there again", zap.Int("status", f.status))
		} else if r.err != nil {
			failed = append(failed, r)
			down[r.channel.name()] = ok && f.down
		} else {
			d.log(n, r.channel).Info("notice delivered", zap.Int("attempt", n.Attempts))
		}
		if len(r.took) > 0 {
			n.Delivered = append(slices.Clone(n.Delivered), r.took...)
			errs = append(errs, d.record(ctx, n)) // before anything else: what is not recorded is sent again
		}
	}
	return errors.Join(append(errs, d.settle(ctx, n, failed))...)
}

// result is what became of one notice at one channel.
type result struct {
	channel channel
	took    []string
	err     error
}

// settle says what happens to a notice after a round.
func (d *Dispatcher) settle(ctx context.Context, n engine.Notice, failed []result) error {
	now := d.now()
	n.Done = len(failed) == 0 || now.Sub(n.At) >= giveUpAfter && n.Attempts >= fewestTries
	wait := pause(n.Attempts)
	for _, r := range failed {
		if f, ok := errors.AsType[*fault](r.err); ok {
			wait = min(max(wait, f.after), longestPause)
		}
	}
	if ctx.Err() != nil {
		wait = 0 // it was us who broke off
	}
	n.Due = now.Add(wait)
	slices.SortFunc(failed, func(a, b result) int { return cmp.Compare(a.channel.name(), b.channel.name()) })
	for _, r := range failed {
		lg := d.log(n, r.channel).With(zap.Error(r.err), zap.Int("attempt", n.Attempts))
		if n.Done {
			lg.Error("notice could not be delivered and is given up", zap.Duration("duration", now.Sub(n.At)))
		} else {
			lg.Warn("notice not delivered, to be tried again", zap.Duration("wait", wait))
		}
	}
	return d.record(ctx, n)
}

// record stores n, though ctx may have ended, and insists: a delivery that is not recorded is repeated.
func (d *Dispatcher) record(ctx context.Context, n engine.Notice) error {
	b := backoff.NewExponentialBackOff(backoff.WithInitialInterval(50*time.Millisecond), backoff.WithMaxInterval(2*time.Second),
		backoff.WithMaxElapsedTime(cmp.Or(d.Stubborn, 20*time.Second)))
	return backoff.Retry(func() error {
		err := d.Outbox.UpdateNotice(context.WithoutCancel(ctx), n)
		if errors.Is(err, engine.ErrNotFound) { // the job was erased meanwhile: nothing is left to be repeated
			return nil
		}
		return err
	}, b)
}

// lenient is ctx with a time limit and a little longer to live: what has been sent almost must not be sent again
// because of a restart.
func lenient(ctx context.Context) (context.Context, context.CancelFunc) {
	out, cancel := context.WithTimeout(context.WithoutCancel(ctx), sendLimit)
	stop := context.AfterFunc(ctx, func() {
		t := time.AfterFunc(grace, cancel)
		context.AfterFunc(out, func() { t.Stop() })
	})
	return out, func() { stop(); cancel() }
}

// channels are those that a notice is for.
func (d *Dispatcher) channels(n engine.Notice) []channel {
	who := d.Jobs[n.Job] // a job that was removed has nobody left to write to
	if n.Kind == engine.NoticeFailures && !who.Digest {
		return nil
	}
	var out []channel
	if d.Mail != nil && who.OnFailure && len(who.Email) > 0 {
		out = append(out, &letter{d.Mail, who.Email})
	}
	for _, w := range d.Webhooks {
		out = append(out, w)
	}
	return out
}

func has(n engine.Notice, c channel) bool {
	return slices.Contains(n.Delivered, c.name()) || slices.Contains(n.Delivered, refused+c.name())
}

func (d *Dispatcher) now() time.Time {
	if d.Now != nil {
		return d.Now().UTC()
	}
	return time.Now().UTC()
}

func (d *Dispatcher) log(n engine.Notice, c channel) *zap.Logger {
	return d.Log.With(zap.String("job", string(n.Job)), zap.String("notice", string(n.Kind)), zap.String("channel", c.label()))
}

// identity names a notice to the outside, the same at every try. The time is part of it because two installations,
// a test system and a real one, may have the same job with the same key and write to the same people.
func identity(n engine.Notice) string {
	return "ntc_" + digest(string(n.Job), n.Key, strconv.FormatInt(n.At.UnixMilli(), 10))[:32]
}

// digest is a hash of several texts.
func digest(parts ...string) string {
	h := sha256.New()
	for _, p := range parts {
		fmt.Fprintf(h, "%d:%s", len(p), p)
	}
	return hex.EncodeToString(h.Sum(nil))
}

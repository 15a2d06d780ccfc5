package web

import (
	"context"
	"net/http"
	"net/url"
	"sync"
	"time"

	"go.uber.org/zap"

	"github.com/scimsync/scimsync/engine"
)

// Limits of operations that outlive their request.
const (
	maxOperations = 64
	operationTime = 15 * time.Minute
	operationKept = time.Hour
)

// onDemandOperation is a run of on-demand provisioning.
type onDemandOperation struct {
	id     string
	job    engine.JobID
	began  time.Time
	done   chan struct{} // closed at the end; what follows is set then
	ended  time.Time
	result []engine.Provisioned
	err    error
}

// operations are those that run or ended lately. They live in memory: what they did is in the log.
type operations struct {
	mu  sync.Mutex
	all []*onDemandOperation // oldest first
}

// begin runs do on its own, so that a caller who leaves does not break it off in the middle of a write.
func (os *operations) begin(a *API, j engine.JobID, do func(context.Context) ([]engine.Provisioned, error)) (*onDemandOperation, error) {
	now := a.now()
	op := &onDemandOperation{id: newID(), job: j, began: now, done: make(chan struct{})}
	os.mu.Lock()
	defer os.mu.Unlock()
	kept := os.all[:0]
	for _, o := range os.all {
		if ended, at := o.over(); !ended || now.Sub(at) < operationKept {
			kept = append(kept, o)
		}
	}
	os.all = kept
	if len(os.all) >= maxOperations {
		if ended, _ := os.all[0].over(); !ended {
			return nil, &Problem{Status: http.StatusServiceUnavailable, Code: codeUnavailable, RetryAfter: 30 * time.Second,
				Message: "Too many objects are being provisioned on demand. Try again later."}
		}
		os.all = os.all[1:]
	}
	os.all = append(os.all, op)
	a.work.Go(func() {
		ctx, cancel := context.WithTimeout(a.ending, operationTime)
		defer cancel()
		defer close(op.done)
		defer func() { // runs before done is closed
			if x := recover(); x != nil {
				a.log.Error("on-demand provisioning broke off", zap.String("job", string(j)), zap.String("operation", op.id), zap.String("panic", broken(x)), zap.Stack("stack"))
				op.err = internal()
			}
			op.ended = a.now()
		}()
		op.result, op.err = do(ctx)
	})
	return op, nil
}

func (o *onDemandOperation) over() (ended bool, at time.Time) {
	select {
	case <-o.done:
		return true, o.ended
	default:
		return false, time.Time{}
	}
}

// OperationView is an operation that outlived its request.
type OperationView struct {
	ID      string            `json:"id"`
	Status  string            `json:"status" enum:"running,succeeded,failed"`
	Created time.Time         `json:"createdDateTime"`
	Ended   time.Time         `json:"endedDateTime,omitzero"`
	Result  *StructuredAnswer `json:"result,omitempty"`
	Error   *ErrorContent     `json:"error,omitempty"`
}

func (o *onDemandOperation) view(c *call) OperationView {
	v := OperationView{ID: o.id, Status: "running", Created: o.began.UTC()}
	ended, at := o.over()
	if !ended {
		return v
	}
	v.Ended = at.UTC()
	if o.err != nil {
		v.Status = "failed"
		return v
	}
	v.Status, v.Result = "succeeded", new(structured(c.job, o.result))
	return v
}

// operationAt is the address of an operation.
func (c *call) operationAt(o *onDemandOperation) string {
	return c.scheme + "://" + c.host + root + "/jobs/" + url.PathEscape(string(o.job)) + "/operations/" + o.id
}

type operationInput struct {
	Operation string `path:"operation"`
}

func (a *API) showOperation(ctx context.Context, c *call, in *operationInput) (*reply[OperationView], error) {
	a.operations.mu.Lock()
	defer a.operations.mu.Unlock()
	for _, o := range a.operations.all {
		if o.id != in.Operation || o.job != c.job.ID {
			continue
		}
		v := o.view(c)
		if ended, _ := o.over(); ended && o.err != nil {
			if p, ok := a.explain(ctx, o.err).(*Problem); ok {
				v.Error = new(a.body(c, p).Error)
			}
		}
		return answerWith(v), nil
	}
	return nil, notFound("There is no operation of this id, or it ended more than an hour ago. The provisioning log tells what it did.")
}

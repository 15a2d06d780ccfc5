package scim

import (
	"context"
	"errors"
	"net/http"
	"testing"

	"github.com/scimsync/scimsync/engine"
)

// A cancelled context comes back as itself and never as a failure of an object.
func TestCancelledWhileTheServerThinks(t *testing.T) {
	because := errors.New("the worker is stopping")
	calls := map[string]func(context.Context, *Client) error{
		"create": func(ctx context.Context, c *Client) error {
			_, err := c.Create(ctx, engine.User, noor(), noorBy)
			return err
		},
		"find": func(ctx context.Context, c *Client) error {
			_, _, err := c.Find(ctx, engine.User, noorBy)
			return err
		},
		"get": func(ctx context.Context, c *Client) error {
			_, err := c.Get(ctx, engine.User, id)
			return err
		},
		"update": func(ctx context.Context, c *Client) error {
			_, err := c.Update(ctx, engine.User, id, []engine.AttributeChange{promote})
			return err
		},
		"delete": func(ctx context.Context, c *Client) error { return c.Delete(ctx, engine.User, id) },
		"members": func(ctx context.Context, c *Client) error {
			_, err := c.AddMembers(ctx, "g1", numbered(3))
			return err
		},
		"empty": func(ctx context.Context, c *Client) error {
			_, err := c.Empty(ctx, engine.User)
			return err
		},
		"list": func(ctx context.Context, c *Client) error {
			_, err := c.List(ctx, engine.User, func(engine.Resource) error { return nil })
			return err
		},
		"check": func(ctx context.Context, c *Client) error {
			_, err := c.Check(ctx, userName)
			return err
		},
	}
	for name, call := range calls {
		ctx, cancel := context.WithCancelCause(t.Context())
		c, f := newFake(t, nil)
		f.rest = func(seen) step {
			return step{do: func(w http.ResponseWriter, r *http.Request) {
				cancel(because)
				<-r.Context().Done()
			}}
		}
		err := call(ctx, c)
		if !errors.Is(err, context.Canceled) || !errors.Is(err, because) {
			t.Errorf("%s: got %v, want the error of the context with its cause", name, err)
		}
		if _, ok := errors.AsType[*engine.TargetError](err); ok {
			t.Errorf("%s: a cancelled call is reported as a failure: %v", name, err)
		}
		if n := len(f.sent()); n != 1 {
			t.Errorf("%s: %d requests, want one", name, n)
		}
		cancel(nil)
	}
}

func TestCancelledWhileWaiting(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	c, _ := newFake(t, func(cfg *Config) { cfg.OnWait = nil }, step{do: func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Retry-After", "60")
		w.WriteHeader(429)
		cancel()
	}})
	_, err := c.Update(ctx, engine.User, id, []engine.AttributeChange{promote})
	if !errors.Is(err, context.Canceled) {
		t.Errorf("got %v, want the error of the context", err)
	}
}

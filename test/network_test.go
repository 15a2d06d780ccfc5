package test

import (
	"context"
	"errors"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"
)

// virtually runs f in a bubble where time passes only while everybody waits: a Retry-After of half
// a minute or a ladder of days takes no time. Worlds made inside talk over a network in memory.
func virtually(t *testing.T, f func(t *testing.T)) {
	t.Helper()
	t.Parallel()
	synctest.Test(t, f)
}

// serve serves h until the test ends and returns its address and a client that reaches it.
func serve(t testing.TB, h http.Handler, inMemory bool) (url string, client *http.Client, lines *lines) {
	if !inMemory {
		srv := httptest.NewServer(h)
		t.Cleanup(srv.Close)
		return srv.URL, nil, nil
	}
	lines = newLines()
	srv := &http.Server{Handler: h}
	var ended sync.WaitGroup
	ended.Go(func() {
		if err := srv.Serve(lines); !errors.Is(err, http.ErrServerClosed) {
			t.Errorf("serve in memory: %v", err)
		}
	})
	transport := &http.Transport{DialContext: lines.dial, MaxIdleConnsPerHost: 64}
	t.Cleanup(func() {
		transport.CloseIdleConnections()
		if err := srv.Close(); err != nil {
			t.Errorf("stop serving in memory: %v", err)
		}
		ended.Wait()
	})
	return "http://" + inMemoryHost, &http.Client{Transport: transport}, lines
}

// lines are connections in memory; net.Pipe, unlike a socket, lets a bubble know that nobody has
// anything to do.
type lines struct {
	calls  chan net.Conn
	closed chan struct{}
	once   sync.Once

	mu      sync.Mutex
	down    bool // connections are refused
	open    []net.Conn
	strange []string // other addresses that were dialled
}

// inMemoryHost is the one address that can be reached.
const inMemoryHost = "127.0.0.1:1"

func newLines() *lines { return &lines{calls: make(chan net.Conn), closed: make(chan struct{})} }

func (l *lines) dial(ctx context.Context, _, address string) (net.Conn, error) {
	refused := &net.OpError{Op: "dial", Net: "tcp", Err: syscall.ECONNREFUSED}
	here, there := net.Pipe()
	l.mu.Lock()
	down := l.down || address != inMemoryHost
	if address != inMemoryHost {
		l.strange = append(l.strange, address)
	}
	l.open = append(l.open, there)
	l.mu.Unlock()
	if down {
		return nil, refused
	}
	select {
	case l.calls <- there:
		return here, nil
	case <-l.closed:
		return nil, refused
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// strangers are the other addresses that somebody wanted to connect to.
func (l *lines) strangers() []string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.Clone(l.strange)
}

// cut ends all connections and refuses new ones, until mend.
func (l *lines) cut() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.down = true
	for _, c := range l.open {
		c.Close()
	}
	l.open = nil
}

func (l *lines) mend() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.down = false
}

func (l *lines) Accept() (net.Conn, error) {
	select {
	case c := <-l.calls:
		return c, nil
	case <-l.closed:
		return nil, net.ErrClosed
	}
}

func (l *lines) Close() error {
	l.once.Do(func() { close(l.closed) })
	return nil
}

func (l *lines) Addr() net.Addr { return &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 1} }

// TestVirtualTime proves what the tests of waiting stand on: a wait inside a bubble takes no time, over
// HTTP too. If it did, this test would take an hour.
func TestVirtualTime(t *testing.T) {
	virtually(t, func(t *testing.T) {
		began := time.Now()
		url, client, _ := serve(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { time.Sleep(time.Hour) }), true)
		res, err := client.Get(url)
		if err != nil {
			t.Fatal(err)
		}
		res.Body.Close()
		if d := time.Since(began); d != time.Hour {
			t.Errorf("the request took %s of virtual time", d)
		}
	})
}

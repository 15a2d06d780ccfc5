package graphtest

import (
	"net/http"
	"strconv"
	"time"
)

// pieces is in how many parts a dripping body is sent.
const pieces = 10

// send writes the answer, or breaks off as the fault plan says.
func (d *delivery) send(w http.ResponseWriter, r *http.Request) {
	if d.delay > 0 && !pause(r, d.delay) {
		return
	}
	if d.reset == "before" {
		panic(http.ErrAbortHandler) // the server closes the connection without an answer
	}
	h := w.Header()
	for k, v := range d.header {
		h[k] = v
	}
	if !d.chunked && !d.dripy && bodyAllowed(d.status) {
		h.Set("Content-Length", strconv.Itoa(len(d.body)))
	}
	w.WriteHeader(d.status)
	flush := http.NewResponseController(w).Flush
	switch {
	case d.reset != "":
		if d.reset == "body" {
			w.Write(d.body[:len(d.body)/2])
		}
		flush()
		panic(http.ErrAbortHandler)
	case d.chunked:
		w.Write(d.body[:len(d.body)/2])
		flush()
		w.Write(d.body[len(d.body)/2:])
	case d.dripy:
		size := max(1, (len(d.body)+pieces-1)/pieces)
		for b := d.body; len(b) > 0; b = b[min(size, len(b)):] {
			if _, err := w.Write(b[:min(size, len(b))]); err != nil {
				return
			}
			flush()
			if !pause(r, d.pause) {
				return
			}
		}
	case bodyAllowed(d.status):
		w.Write(d.body) // an error means that the client is gone
	}
}

func bodyAllowed(status int) bool {
	return status != http.StatusNoContent && status != http.StatusNotModified
}

// pause waits in real time, unless the client goes away first.
func pause(r *http.Request, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-r.Context().Done():
		return false
	}
}

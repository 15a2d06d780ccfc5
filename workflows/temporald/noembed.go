//go:build noembed

package temporald

import "context"

// Embedded says whether this binary holds the server.
const Embedded = false

// Server stands for the embedded server; no value of it is ever made in this build.
type Server struct{}

// Start returns [ErrNotEmbedded].
func Start(context.Context, Options) (*Server, error) { return nil, ErrNotEmbedded }

// Version is the version of the linked server: none in this build.
func Version() string { return "" }

// Address is where clients connect to.
func (*Server) Address() string { return "" }

// Failed never yields in this build.
func (*Server) Failed() <-chan error { return nil }

// Stop does nothing in this build.
func (*Server) Stop() {}

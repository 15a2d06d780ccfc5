// Package enginetest holds the suites that every implementation of the ports of package engine passes.
// A suite checks what the comments of the port promise, not how it is done; a new connector or
// database is finished when its suite is green.
package enginetest

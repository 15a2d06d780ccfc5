// Package engine holds the words of scimsync and the ports between its rooms.
//
// The words are those of the field: a job keeps one target in step with one source; a cycle is one
// pass of it; objects (users and groups), edges (memberships, managers) and assignments are read
// from the source; what changed is queued; for every queued change one operation is decided, with
// the rule it follows and its reason; a link remembers which target object belongs to which source
// object and what was last exported to it.
//
// The ports are [Source], [Target] and [Store]. Their comments are contracts, and the suites of
// package enginetest hold every implementation to them.
//
// The package knows nothing of Graph, SCIM, SQL, HTTP or Temporal. Attribute paths and values
// come from package mapping and are re-exported here, so that a connector needs this package alone.
package engine

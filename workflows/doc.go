// Package workflows runs cycles on Temporal: it keeps track of where a cycle is, takes broken steps
// again, and starts cycles by schedule. What a cycle reads and decides stays in the store; workflow
// histories carry ids, counters and positions only, never a name, an attribute or a token.
//
// Workflows are the table of contents, activities the chapters: SyncCycle has the order of the
// steps, [Activities] lead into package cycle, where the steps are. options.go has the time limits,
// messages.go what is sent to and fro, schedules.go keeps Temporal's schedules as the configuration says.
package workflows

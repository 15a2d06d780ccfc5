// Package decide says what must happen to each object.
//
// It is pure: it opens no connection, reads no clock and logs nothing, so a plan can be computed
// twice and compared, shown before it runs, and tested without doubles. Each operation names the
// rule it follows (U21, G7, …), a row of the decision tables of provisioning.md sections 11 and 12;
// [Rules] lists them in words, and the log shows that list.
//
// A decision that needs the target object answers with [engine.Look]: the caller reads or searches
// it, adds what it found to the [Facts], and asks again.
package decide

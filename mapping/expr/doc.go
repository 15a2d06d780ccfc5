// Package expr is the expression language of attribute mappings: it parses an expression, checks it
// once, and evaluates it against the attributes of one source object.
//
// It is pure. It opens no connection, reads no clock, draws no randomness of its own and logs
// nothing: the moment, the random source, the default domain and the probe that tells whether a
// value is free in the target are fields of [Env]. Two evaluations with equal arguments give equal
// results. A parsed [Expr] never changes and may be used by any number of goroutines.
//
// The language is that of spec/expressions.md; section numbers in comments are sections of that
// text. Regular expressions are those of .NET, with a limit on the time of each match. Every
// mistake, at load or while evaluating, is an [*Error] with one of the codes of section 9, the place
// in the text, and what to do about it.
//
// No error quotes an attribute value, so errors can be logged. The one exception is the function
// Error, whose message the author of the mapping composes; see [Error].
package expr

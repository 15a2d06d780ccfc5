// Package scimtest is a sandbox SCIM 2.0 application: Users with the enterprise extension, Groups
// with members, kept in memory and served over HTTP (RFC 7643, RFC 7644).
//
// It is the thing a SCIM client is tried against. It understands PATCH as RFC 7644 prescribes it and,
// unless [Quirks.Strict] is set, as Microsoft Entra sends it. It counts and remembers every request,
// answers with planned faults, and copies the unpleasant habits of real servers, each one a field of
// [Quirks]. Nothing in it is shared with the client it stands opposite to.
//
// # What serves what
//
// Built on github.com/elimity-com/scim and github.com/scim2/filter-parser. elimity's server reads,
// validates and renders POST, PUT, GET by id and DELETE, and serves the discovery documents and
// errors. Two of its paths are replaced, with its schema and error packages and the filter parser kept:
//
//   - PATCH, because elimity parses every path anew (30 to 120 microseconds and up to 3,000
//     allocations a path, for each member of a removal), turns every refusal into invalidPath or
//     invalidValue, knows text booleans only as a switch for the whole process, and can't take a
//     whole extension as a path-less key.
//   - Search, because elimity refuses filters on id, externalId and meta and on two schemas at once,
//     reports the asked for page size as itemsPerPage, and its filter panics on values of another type.
//
// Parsed filters and paths are kept by their shape, literals lifted out. On an idle machine a POST
// costs about 60 microseconds, half of them elimity's, a PATCH 25, a search by userName among
// 100,000 users 30; a user takes 2 KB.
//
// The filter parser leaves escapes in string literals as they are, doesn't know \u escapes, the form
// emails[type eq "work"].value eq "x", or more than two terms inside brackets; filter.go takes those
// apart before it parses.
//
// # Names
//
// All ids are made from [Options.Seed] and a counter, so that the same requests give the same ids.
// Under /_app/ the server shows and takes over HTTP what the Go methods offer: state, quirks, faults,
// counts and the request log. That part asks for no token; serve it on loopback only.
package scimtest

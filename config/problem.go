package config

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"
)

// Problem is one mistake in a configuration file. It prints as
//
//	file:line:column: path: reason; remedy
//
// and never contains a secret or a value that came from outside of the file.
type Problem struct {
	File    string
	Line    int    // from 1; 0 if no place in the file can be named
	Column  int    // from 1, in characters
	Path    string // for example jobs[0].target.auth.token; "" for the file as a whole
	Message string // reason; remedy
}

func (p Problem) Error() string {
	var b strings.Builder
	b.WriteString(p.File)
	if p.Line > 0 {
		fmt.Fprintf(&b, ":%d:%d", p.Line, p.Column)
	}
	if b.Len() > 0 {
		b.WriteString(": ")
	}
	if p.Path != "" {
		b.WriteString(p.Path + ": ")
	}
	b.WriteString(p.Message)
	return b.String()
}

// Problems are all the mistakes in a file, in the order of the file.
type Problems []Problem

// Error prints one problem a line.
func (ps Problems) Error() string {
	lines := make([]string, len(ps))
	for i, p := range ps {
		lines[i] = p.Error()
	}
	return strings.Join(lines, "\n")
}

// AsProblems returns the problems that err consists of, in the order of the file. An error of another
// kind becomes a problem without a place. AsProblems(nil) is empty.
func AsProblems(err error) Problems {
	ps := slices.Clone(problemsOf(err))
	slices.SortStableFunc(ps, byPlace)
	return slices.Compact(ps)
}

func problemsOf(err error) Problems {
	switch e := err.(type) {
	case nil:
		return nil
	case Problems:
		return e
	case Problem:
		return Problems{e}
	case interface{ Unwrap() []error }:
		var out Problems
		for _, part := range e.Unwrap() {
			out = append(out, problemsOf(part)...)
		}
		return out
	}
	if ps, ok := errors.AsType[Problems](err); ok {
		return ps
	}
	if p, ok := errors.AsType[Problem](err); ok {
		return Problems{p}
	}
	return Problems{{Message: err.Error()}}
}

// A Warning is something that works and is probably not meant.
type Warning Problem

// String prints like a problem, with the word warning before the path.
func (w Warning) String() string {
	p := Problem(w)
	p.Path = strings.TrimSuffix("warning: "+p.Path, ": ")
	return p.Error()
}

// Warnings are all that is doubtful in a file, in the order of the file.
type Warnings []Warning

// report collects what is found in one document.
type report struct {
	doc      *document
	problems Problems
	warnings Warnings
}

// fail reports a problem with the value at path. The place is that of the value or, if there is none,
// of what encloses it.
func (r *report) fail(path, remedy, format string, args ...any) {
	r.problems = append(r.problems, r.doc.problem(r.doc.at(path), path, message(remedy, format, args...)))
}

func (r *report) failAt(at position, path, remedy, format string, args ...any) {
	r.problems = append(r.problems, r.doc.problem(at, path, message(remedy, format, args...)))
}

func (r *report) warn(path, remedy, format string, args ...any) {
	r.warnAt(r.doc.at(path), path, remedy, format, args...)
}

func (r *report) warnAt(at position, path, remedy, format string, args ...any) {
	r.warnings = append(r.warnings, Warning(r.doc.problem(at, path, message(remedy, format, args...))))
}

// failed reports whether there is a problem at path or below it.
func (r *report) failed(path string) bool {
	return slices.ContainsFunc(r.problems, func(p Problem) bool {
		rest, below := strings.CutPrefix(p.Path, path)
		return below && (rest == "" || rest[0] == '.' || rest[0] == '[')
	})
}

// err returns the problems in the order of the file, or nil.
func (r *report) err() error {
	if len(r.problems) == 0 {
		return nil
	}
	return AsProblems(r.problems)
}

// doubts returns the warnings in the order of the file.
func (r *report) doubts() Warnings {
	slices.SortStableFunc(r.warnings, func(a, b Warning) int { return byPlace(Problem(a), Problem(b)) })
	return slices.Compact(r.warnings)
}

func byPlace(a, b Problem) int {
	return cmp.Or(cmp.Compare(a.Line, b.Line), cmp.Compare(a.Column, b.Column))
}

func message(remedy, format string, args ...any) string {
	text := fmt.Sprintf(format, args...)
	if remedy != "" {
		text += "; " + remedy
	}
	return text
}

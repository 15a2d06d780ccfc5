package main

import (
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
	"time"
	"unicode"
)

// table prints rows in columns below their headings.
type table struct{ tw *tabwriter.Writer }

func newTable(w io.Writer, head ...string) *table {
	t := &table{tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)}
	if len(head) > 0 {
		fmt.Fprintln(t.tw, strings.Join(head, "\t"))
	}
	return t
}

// row prints one row. Empty cells at its end are left out, empty ones before become a dash.
func (t *table) row(cells ...any) {
	texts := make([]string, len(cells))
	for i, c := range cells {
		texts[i] = clean(fmt.Sprint(c))
		if texts[i] == "" {
			texts[i] = "-"
		}
	}
	fmt.Fprintln(t.tw, strings.Join(texts, "\t"))
}

func (t *table) end() error { return t.tw.Flush() }

// facts prints names with their values, indented.
type facts struct{ *table }

func newFacts(w io.Writer) facts { return facts{newTable(w)} }

// add prints a fact that has a value.
func (f facts) add(name, value string) {
	if value != "" {
		fmt.Fprintf(f.tw, "  %s\t%s\n", clean(name), clean(value))
	}
}

// clean makes a text fit for one cell of a table on a terminal: names and messages come from elsewhere, and may hold
// anything, escape sequences included.
func clean(s string) string {
	return strings.Join(strings.FieldsFunc(s, func(r rune) bool { return unicode.IsSpace(r) || unicode.IsControl(r) || unicode.Is(unicode.Cf, r) }), " ")
}

// short cuts a text for a cell.
func short(s string, most int) string {
	if r := []rune(s); len(r) > most {
		return string(r[:most-1]) + "…"
	}
	return s
}

// when is a moment for people, in the time zone of this machine; "" for none.
func when(t time.Time) string {
	if t.IsZero() || t.Year() <= 1 {
		return ""
	}
	return t.Local().Format("2006-01-02 15:04")
}

// quoted is a text as an argument of a command line of a shell.
func quoted(s string) string {
	if s != "" && !strings.ContainsFunc(s, func(r rune) bool {
		return !(unicode.IsLetter(r) || unicode.IsDigit(r) || strings.ContainsRune("-_./:@=+,%", r))
	}) {
		return s
	}
	return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'"
}

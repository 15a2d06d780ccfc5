package main

import (
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/scimsync/scimsync/engine"
)

// TestStoryHasOneOrder tells the same rows in many orders: the words are the same each time.
func TestStoryHasOneOrder(t *testing.T) {
	row := func(k engine.Kind, a engine.Action, rule engine.Rule, name string) engine.LogEntry {
		return engine.LogEntry{Kind: k, Action: a, Rule: rule, Status: engine.StatusSuccess, Source: engine.Identity{ID: name, Name: name}}
	}
	rows := []engine.LogEntry{
		row(engine.User, engine.Delete, "U21", "kim"), row(engine.User, engine.Disable, "U15", "eve"),
		row(engine.User, engine.Create, "U1", "ann"), row(engine.User, engine.Create, "U1", "bob"), row(engine.User, engine.Create, "U1", "cy"),
		row(engine.Group, engine.Delete, "G7", "old"), row(engine.Group, engine.Create, "G1", "new"),
		row(engine.Group, engine.Update, "G4", "new"), row(engine.User, engine.Nothing, "U26", "dan"),
	}
	rows[7].Changes = []engine.LoggedChange{{Attribute: "members", New: "ann"}, {Attribute: "members", New: "bob"}, {Attribute: "members", Old: "eve"}}
	tell := func(rows []engine.LogEntry) string {
		var b strings.Builder
		if err := writeStory(&b, rows, 2); err != nil {
			t.Fatal(err)
		}
		return b.String()
	}
	want := tell(rows)
	r := rand.New(rand.NewPCG(1, 2))
	for range 20 {
		shuffled := slices.Clone(rows)
		r.Shuffle(len(shuffled), func(i, j int) { shuffled[i], shuffled[j] = shuffled[j], shuffled[i] })
		if got := tell(shuffled); got != want {
			t.Fatalf("told\n%s\nand\n%s", want, got)
		}
	}
	waits := row(engine.Group, engine.Skip, "G5", "crew") // nobody was added
	if got := nameOf(waits); got != "group crew" {
		t.Errorf("a row without members is called %q", got)
	}
	var at []int
	for _, word := range []string{"kim", "eve", "ann", "bob", "group old", "group new:", "group new, +2 -1: ", "… and 1 more users", "1 more were looked at"} {
		at = append(at, strings.Index(want, word))
	}
	if !slices.IsSorted(at) || at[0] < 0 {
		t.Errorf("order is %v in\n%s", at, want)
	}
}

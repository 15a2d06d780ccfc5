package config

import (
	"slices"
	"strings"
)

// remedyFor tells what to write instead of a misspelt word: the nearest of the right ones, or all.
func remedyFor(word string, right []string) string {
	right = slices.DeleteFunc(slices.Clone(right), func(r string) bool { return r == "" })
	best, least := "", max(1, len(word)/3)+1
	for _, r := range right {
		if d := distance(strings.ToLower(word), strings.ToLower(r)); d < least {
			best, least = r, d
		}
	}
	switch {
	case best != "" && word != "":
		return "did you mean " + best + "?"
	case len(right) == 1:
		return "use " + right[0]
	case len(right) == 0:
		return "remove it"
	default:
		return "use one of " + strings.Join(right, ", ")
	}
}

// distance is the number of letters to insert, remove, replace or swap with their neighbour to turn a
// into b.
func distance(a, b string) int {
	before, last, row := make([]int, len(b)+1), make([]int, len(b)+1), make([]int, len(b)+1)
	for j := range last {
		last[j] = j
	}
	for i := 1; i <= len(a); i++ {
		row[0] = i
		for j := 1; j <= len(b); j++ {
			replace := last[j-1]
			if a[i-1] != b[j-1] {
				replace++
			}
			row[j] = min(last[j]+1, row[j-1]+1, replace)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				row[j] = min(row[j], before[j-2]+1)
			}
		}
		before, last, row = last, row, before
	}
	return last[len(b)]
}

package config

import (
	"slices"
	"strings"
)

// remedyFor tells what to write instead of a misspelt word: the nearest of the right ones, or all.
func remedyFor(word string, right []string) string {
	right = slices.DeleteFunc(slices.Clone(right), func(r string) bool { return r == "" })
	best := nearest(word, right)
	switch {
	case best != "":
		return "did you mean " + best + "?"
	case len(right) == 0:
		return "remove it"
	case len(right) == 1:
		return "use " + right[0]
	default:
		return "use one of " + strings.Join(right, ", ")
	}
}

// nearest returns the word that was probably meant: one that differs in few letters, or that starts like
// the other; "" if there is none.
func nearest(word string, right []string) string {
	word = strings.ToLower(word)
	best, least := "", max(1, len(word)/3)+1
	for _, r := range right {
		lower := strings.ToLower(r)
		d := distance(word, lower)
		if min(len(word), len(r)) >= 3 && (strings.HasPrefix(word, lower) || strings.HasPrefix(lower, word)) {
			d = min(d, 2)
		}
		if r != "" && word != "" && d < least {
			best, least = r, d
		}
	}
	return best
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

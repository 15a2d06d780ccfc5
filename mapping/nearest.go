package mapping

import "strings"

// nearest returns the candidate that a misspelt word was probably meant to be, or "".
func nearest(word string, candidates []string) string {
	if word == "" {
		return ""
	}
	best, bestDistance := "", min(max(2, len(word)/3), 3)+1
	for _, c := range candidates {
		d := distance(strings.ToLower(word), strings.ToLower(c))
		if len(word) >= 3 && len(c) > len(word) && strings.EqualFold(c[:len(word)], word) {
			d = min(d, 2) // the word is the beginning of the candidate
		}
		if d < bestDistance {
			best, bestDistance = c, d
		}
	}
	return best
}

// distance is the Levenshtein distance of two words, with swapped neighbours as one step.
func distance(a, b string) int {
	prev2, prev, row := make([]int, len(b)+1), make([]int, len(b)+1), make([]int, len(b)+1)
	for j := range prev {
		prev[j] = j
	}
	for i := 1; i <= len(a); i++ {
		row[0] = i
		for j := 1; j <= len(b); j++ {
			cost := 1
			if a[i-1] == b[j-1] {
				cost = 0
			}
			row[j] = min(prev[j]+1, row[j-1]+1, prev[j-1]+cost)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				row[j] = min(row[j], prev2[j-2]+1)
			}
		}
		prev2, prev, row = prev, row, prev2
	}
	return prev[len(b)]
}

// didYouMean is a remedy that names the nearest of the candidates, or all of them.
func didYouMean(word string, candidates []string) string {
	if c := nearest(word, candidates); c != "" && word != "" {
		return "did you mean " + c + "?"
	}
	return "write one of " + strings.Join(candidates, ", ")
}

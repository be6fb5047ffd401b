package ir

import (
	"fmt"
	"strings"
)

// maxSpelled is the longest name that didYouMean looks for: comparing takes time
// that grows with the square of the length, and nobody misspells longer ones.
const maxSpelled = 256

// didYouMean returns ", did you mean x?" for the candidate most like name, or
// "" if none has at most a third of its letters wrong.
func didYouMean(name string, candidates []string) string {
	if len(name) > maxSpelled {
		return ""
	}
	best, least := "", len(name)/3+1
	for _, c := range candidates {
		if len(c)-len(name) < least && len(name)-len(c) < least {
			if d := editDistance(strings.ToLower(name), strings.ToLower(c)); d < least {
				best, least = c, d
			}
		}
	}
	if best == "" {
		return ""
	}
	return fmt.Sprintf(", did you mean %s?", best)
}

// editDistance is the number of letters to insert, delete, change or swap with
// their neighbour to turn a into b (optimal string alignment).
func editDistance(a, b string) int {
	before, last, row := make([]int, len(b)+1), make([]int, len(b)+1), make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		before, last, row = last, row, before
		row[0] = i + 1
		for j := range len(b) {
			if a[i] == b[j] {
				row[j+1] = last[j]
				continue
			}
			row[j+1] = 1 + min(last[j], last[j+1], row[j])
			if i > 0 && j > 0 && a[i] == b[j-1] && a[i-1] == b[j] {
				row[j+1] = min(row[j+1], 1+before[j-1])
			}
		}
	}
	return row[len(b)]
}

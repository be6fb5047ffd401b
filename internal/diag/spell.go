package diag

import "strings"

// maxSpelled is the longest name that Closest looks for: comparing takes time
// that grows with the square of the length, and nobody misspells longer ones.
const maxSpelled = 256

// Closest returns the candidate most like name, or "" if none is near: at most
// a third of its letters wrong.
func Closest(name string, candidates []string) string {
	if len(name) > maxSpelled {
		return ""
	}
	best, least := "", len(name)/3+1
	for _, c := range candidates {
		if len(c)-len(name) >= least || len(name)-len(c) >= least {
			continue
		}
		if d := distance(strings.ToLower(name), strings.ToLower(c)); d < least {
			best, least = c, d
		}
	}
	return best
}

// DidYouMean returns ", did you mean "x"?" for the closest candidate, or "".
func DidYouMean(name string, candidates []string) string {
	if c := Closest(name, candidates); c != "" {
		return ", did you mean " + c + "?"
	}
	return ""
}

// distance is the number of insertions, deletions, substitutions and swaps of
// neighbours that turn a into b (optimal string alignment).
func distance(a, b string) int {
	prev2, prev, cur := []int(nil), make([]int, len(b)+1), make([]int, len(b)+1)
	for j := range prev {
		prev[j] = j
	}
	for i := 1; i <= len(a); i++ {
		cur[0] = i
		for j := 1; j <= len(b); j++ {
			cost := 1
			if a[i-1] == b[j-1] {
				cost = 0
			}
			cur[j] = min(prev[j]+1, cur[j-1]+1, prev[j-1]+cost)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				cur[j] = min(cur[j], prev2[j-2]+1)
			}
		}
		prev2, prev, cur = prev, cur, make([]int, len(b)+1)
	}
	return prev[len(b)]
}

package heatmap

import (
	"strconv"
	"strings"
)

// number prints a magnitude with three digits for a legend.
func number(v float64) string { return strconv.FormatFloat(v, 'g', 3, 64) }

// signed prints a relevance with its sign and four digits; the minus is as wide
// as the plus.
func signed(v float64) string {
	s := strconv.FormatFloat(v, 'g', 4, 64)
	if s[0] == '-' {
		return "−" + s[1:]
	}
	return "+" + strings.TrimPrefix(s, "+")
}

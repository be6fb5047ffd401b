package heatmap

import (
	"strconv"
	"strings"
)

// number prints a magnitude with three digits for a legend, such as 0.324 or
// 2.03e−5.
func number(v float64) string {
	digits, exponent, found := strings.Cut(strconv.FormatFloat(v, 'g', 3, 64), "e")
	if !found {
		return digits
	}
	sign := ""
	if exponent[0] == '-' {
		sign = "−"
	}
	return digits + "e" + sign + strings.TrimLeft(exponent, "+-0")
}

// ends are the captions of a legend's ends: what speaks against the target, and
// what for it. Beyond says that there are values past the ends.
func ends(scale float64, beyond bool) (against, pro string) {
	low, high := "−"+number(scale), "+"+number(scale)
	if beyond {
		low, high = "≤ "+low, "≥ "+high
	}
	return low + " against", "for " + high
}

// signed prints a relevance with its sign and four digits; the minus is as wide
// as the plus.
func signed(v float64) string {
	s := strconv.FormatFloat(v, 'g', 4, 64)
	if s[0] == '-' {
		return "−" + s[1:]
	}
	return "+" + strings.TrimPrefix(s, "+")
}

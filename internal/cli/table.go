package cli

import (
	"slices"
	"strings"
	"unicode/utf8"
)

// table has a head, a line, and columns as wide as needed.
type table struct {
	head  []string
	rows  [][]string
	style func(column int, s string) string // colours a cell; nil for none
	right []int                             // columns that are aligned at the right
}

func (g *table) add(cells ...string) { g.rows = append(g.rows, cells) }

// lines returns the table without colours.
func (g *table) lines() []string {
	return g.draw(func(s string) string { return s })
}

// write writes the table to a report, the head in bold.
func (g *table) write(p *paper, bold func(string) string) {
	for _, l := range g.draw(bold) {
		p.line("%s", l)
	}
}

func (g *table) draw(bold func(string) string) []string {
	wide := make([]int, len(g.head))
	for _, row := range append([][]string{g.head}, g.rows...) {
		for i, s := range row {
			wide[i] = max(wide[i], utf8.RuneCountInString(s))
		}
	}
	rule := make([]string, len(wide))
	for i, n := range wide {
		rule[i] = strings.Repeat("─", n)
	}
	plain := func(_ int, s string) string { return s }
	lines := []string{
		g.line(g.head, wide, func(_ int, s string) string { return bold(s) }),
		g.line(rule, wide, plain),
	}
	style := g.style
	if style == nil {
		style = plain
	}
	for _, row := range g.rows {
		lines = append(lines, g.line(row, wide, style))
	}
	return lines
}

func (g *table) line(row []string, wide []int, style func(int, string) string) string {
	cells := make([]string, len(row))
	for i, s := range row {
		pad := strings.Repeat(" ", wide[i]-utf8.RuneCountInString(s))
		if slices.Contains(g.right, i) {
			cells[i] = pad + style(i, s)
		} else {
			cells[i] = style(i, s) + pad
		}
	}
	return strings.TrimRight(strings.Join(cells, "  "), " ")
}

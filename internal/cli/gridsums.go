package cli

import (
	"fmt"
	"strings"

	"github.com/lxtc/lxtc/heatmap"
	"github.com/lxtc/lxtc/ir"
)

// outermost reports which of the named tensors are computed from no other of them:
// in their sum, relevance counts once.
func outermost(g *ir.Graph, names []string) []bool {
	named, behind := map[*ir.Value]bool{}, map[*ir.Value]bool{} // behind another
	for _, name := range names {
		named[g.Find(name)] = true
	}
	for n := range g.Nodes() {
		for _, x := range append(n.Captured(), n.In...) {
			if x == nil || !named[x] && !behind[x] {
				continue
			}
			for _, y := range n.Out {
				behind[y] = true
			}
		}
	}
	out := make([]bool, len(names))
	for i, name := range names {
		v := g.Find(name)
		out[i] = v == nil || !behind[v]
	}
	return out
}

// gridSums writes ΣR of every tensor, a line for each, at every point: where on its
// way relevance is made or lost.
func (a *app) gridSums(explained []string, points []gridPoint, axes []axis) error {
	p := &paper{colors: a.colors(a.stdout) != heatmap.NoColor}
	t := &table{head: []string{"ΣR"}}
	for i, q := range points {
		t.head = append(t.head, strings.ReplaceAll(q.label(axes), " ", ", "))
		t.right = append(t.right, i+1)
	}
	for k, name := range explained {
		cells := []string{name}
		for _, q := range points {
			cells = append(cells, fmt.Sprintf("%.4g", q.sums[k]))
		}
		t.add(cells...)
	}
	p.line("")
	t.write(p, p.bold)
	_, err := a.stdout.Write([]byte(p.String()))
	return err
}

package passes_test

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"github.com/lxtc/lxtc/ir"
	"github.com/lxtc/lxtc/ir/ops"
	"github.com/lxtc/lxtc/passes"
)

// far is a model in which the last node reads an activation that was computed
// n nodes earlier, and extra.
func far(t *testing.T, n int, extra string) *ir.Model {
	t.Helper()
	var sb strings.Builder
	sb.WriteString("g (float[2] x) => (float[2] y) {\n  b = Exp (x)\n  a = Swish (b)\n  v0 = Neg (a)\n")
	for i := range n {
		fmt.Fprintf(&sb, "  v%d = Neg (v%d)\n", i+1, i)
	}
	fmt.Fprintf(&sb, "  w = Mul (v%d, a)\n  y = Add (w, %s)\n}\n", n, extra)
	m, err := ir.Parse(sb.String(), ops.Standard())
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func TestRecompute(t *testing.T) {
	for _, c := range []struct {
		name  string
		model *ir.Model
		want  int // activations afterwards
	}{
		{"read late, and so is its argument", far(t, 100, "b"), 2},
		{"read soon", far(t, 10, "b"), 1},
		{"its argument would have to be kept for it", far(t, 100, "w"), 1},
	} {
		t.Run(c.name, func(t *testing.T) {
			before := c.model.Clone()
			if _, err := (passes.Pipeline{passes.Recompute}).Run(context.Background(), c.model, passes.Options{}, passes.Driver{Strict: true}); err != nil {
				t.Fatal(err)
			}
			got := 0
			for n := range c.model.Graph.Nodes() {
				if n.Op.Name == "Swish" {
					got++
				}
			}
			if got != c.want {
				t.Errorf("%d activations, want %d", got, c.want)
			}
			sameForward(t, before, c.model, 0)
		})
	}
}

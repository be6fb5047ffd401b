package gorgonia

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/lxtc/lxtc/backend/reference"
	"github.com/lxtc/lxtc/ir"
	"github.com/lxtc/lxtc/ir/ops"
)

// TestKernelNames says that every kernel is one of an operator that the
// compiler and the interpreter know: the interpreter has the cases that a
// kernel leaves to it.
func TestKernelNames(t *testing.T) {
	for _, tab := range tables {
		for name := range tab.kernels {
			op := ir.ParseOpName(name)
			if ops.Standard().Lookup(op) == nil {
				t.Errorf("there is no operator %s", name)
			}
			if err := reference.New().Supports(&ir.Node{Op: op}); err != nil {
				t.Error(err)
			}
		}
	}
}

func TestInterpreted(t *testing.T) {
	m := parsed(t, `g (float[2,3] x, double[2] d, int64[3] i) => (a, b, c, e) {
  t = Transpose (x)
  a = MatMul (x, t)
  b = Add (d, d)
  c = Add (i, i)
  f = Cast <to = 1> (i)
  e = Celu (x)
}`)
	var got []string
	for _, n := range Interpreted(m) {
		got = append(got, n.String())
	}
	if d := cmp.Diff([]string{"Add->b", "Celu->e"}, got); d != "" {
		t.Errorf("interpreted nodes (-want +got):\n%s", d)
	}
}

package lxtc_test

import (
	"context"
	"fmt"
	"math"
	"os"
	"testing"

	"github.com/lxtc/lxtc"
	"github.com/lxtc/lxtc/backend"
	"github.com/lxtc/lxtc/backend/gorgonia"
	"github.com/lxtc/lxtc/backend/reference"
	"github.com/lxtc/lxtc/internal/arrays"
	"github.com/lxtc/lxtc/internal/npy"
	"github.com/lxtc/lxtc/ir"
	"github.com/lxtc/lxtc/passes"
	"github.com/lxtc/lxtc/rules"
)

func TestAB(t *testing.T) {
	m, err := lxtc.Load("/tmp/lab/zoovis/m/lraspp.dyn20.onnx")
	if err != nil {
		t.Fatal(err)
	}
	ar, err := npy.ReadFile("/tmp/lab/zoovis/m/lraspp.in.npz")
	in := map[string]*ir.Tensor{}
	for _, e := range ar {
		x, _ := arrays.Tensor(e.Array)
		x, _ = arrays.Convert(x, ir.Float)
		in[e.Name] = x
	}
	rm, _ := rules.Load(os.Getenv("MAP"))
	vals := map[string]map[string][]float64{}
	var order []string
	desc := map[string]string{}
	tg, _ := passes.ParseTarget(os.Getenv("TARGET"))
	for _, b := range []backend.Backend{gorgonia.New(), reference.New()} {
		vals[b.Name()] = map[string][]float64{}
		x, err := m.Explainer(context.Background(), b, lxtc.Options{Rules: rm, Form: passes.ExplicitForm, Targets: []passes.Target{tg}}, backend.Options{Trace: func(n *ir.Node, out []*ir.Tensor) error {
			for i, o := range out {
				if o == nil || !o.Elem.IsFloat() {
					continue
				}
				v, _ := o.Float64s()
				vals[b.Name()][n.Out[i].Name] = append([]float64(nil), v...)
				if b.Name() == "gorgonia" {
					order = append(order, n.Out[i].Name)
					s := n.Op.String() + " " + n.Origin + " ("
					for _, v := range n.In {
						if v != nil {
							s += v.Name + " "
						}
					}
					desc[n.Out[i].Name] = s + ")"
				}
			}
			return nil
		}})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := x.Run(context.Background(), in); err != nil {
			t.Fatal(err)
		}
	}
	k := 0
	for _, n := range order {
		g, r := vals["gorgonia"][n], vals["reference"][n]
		if len(g) != len(r) {
			continue
		}
		var e, mx float64
		at := 0
		for i := range g {
			if d := math.Abs(g[i] - r[i]); d > e {
				e, at = d, i
			}
			mx = max(mx, math.Abs(r[i]))
		}
		if e > 1e-3*mx {
			fmt.Printf("%s [%d] g=%g r=%g max %g: %s\n", n, at, g[at], r[at], mx, desc[n])
			if k++; k > 25 {
				return
			}
		}
	}
}

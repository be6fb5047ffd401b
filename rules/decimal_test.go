package rules_test

import (
	"strconv"

	"github.com/lxtc/lxtc/ir"
)

// inDecimal gives constants of a model the double that was meant, in place of the
// float32 nearest to it, which is all that attributes of ONNX hold: 0.1 in place of
// 0.100000001490116. For the reference backend in float64, whose Cast rounds nothing.
func inDecimal(m *ir.Model) {
	given := map[string]any{} // arguments of functions, by function and parameter
	for n := range m.Graph.Nodes() {
		if m.Func(n.Op) != nil {
			for _, a := range n.Attrs {
				given[n.Op.String()+" "+a.Name] = a.Value
			}
		}
	}
	meant := func(g *ir.Graph, f string) {
		for n := range g.Nodes() {
			if n.Op.Name != "Constant" || len(n.Attrs) != 1 {
				continue
			}
			v := n.Attrs[0].Value
			if r, ok := v.(ir.Ref); ok {
				v = given[f+" "+r.Name]
			}
			var t *ir.Tensor
			switch v := v.(type) {
			case float32:
				t = ir.Of([]float64{decimal(v)})
			case []float32:
				t = ir.Of(decimals(v), len(v))
			case *ir.Tensor:
				if v.Elem == ir.Float {
					fs, _ := v.Float32s()
					t = ir.Of(decimals(fs), v.Shape...)
				}
			}
			if t == nil {
				continue
			}
			b, old := m.After(n), n.Out[0]
			cast := b.OpA("Cast", ir.Attrs{{Name: "to", Value: int64(ir.Float)}}, b.Constant(t))
			g.ReplaceUses(old, cast)
		}
	}
	meant(m.Graph, "")
	for _, f := range m.Funcs {
		meant(f.Body, f.Op.String())
	}
}

// decimal is the double that reads as x does, in the fewest digits.
func decimal(x float32) float64 {
	f, err := strconv.ParseFloat(strconv.FormatFloat(float64(x), 'g', -1, 32), 64)
	if err != nil {
		panic(err) // it was just written
	}
	return f
}

func decimals(xs []float32) []float64 {
	out := make([]float64, len(xs))
	for i, x := range xs {
		out[i] = decimal(x)
	}
	return out
}

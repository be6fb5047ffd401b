package ops

import (
	"fmt"

	"github.com/lxtc/lxtc/ir"
)

// chooseOps take one of their inputs, element by element.
func chooseOps() []*ir.Op {
	return []*ir.Op{
		extremum("Max", "the largest of the inputs"), extremum("Min", "the smallest of the inputs"),
		clip, where, prelu,
	}
}

// extremum returns Max or Min over any number of inputs. Inputs that tie share
// the derivative equally, as in torch.maximum.
func extremum(name, doc string) *ir.Op {
	return &ir.Op{
		Name: ir.OpName{Name: name}, Since: 8, Doc: doc,
		In: ir.P("data_0*"), Out: ir.P(map[string]string{"Max": "max", "Min": "min"}[name]), Commutative: true,
		Infer: inferBroadcast,
		Known: func(n *ir.Node) [][]ir.Dim {
			k := intElems(n, 0)
			for i := 1; i < len(n.In) && k != nil; i++ {
				k = zipDims(k, intElems(n, i), func(d, e ir.Dim) ir.Dim {
					x, ok := d.Num()
					y, ok2 := e.Num()
					switch {
					case d.Same(e):
						return d
					case !ok || !ok2:
						return ir.Unknown
					case name == "Max":
						return ir.N(max(x, y))
					}
					return ir.N(min(x, y))
				})
			}
			return [][]ir.Dim{k}
		},
		VJP: func(b *ir.Builder, n *ir.Node, dy []*ir.Value, want []bool) []*ir.Value {
			out := make([]*ir.Value, len(want))
			wins := make([]*ir.Value, len(n.In))
			for i, x := range n.In {
				wins[i] = indicator(b, b.Op("Equal", x, n.Out[0]), n.Out[0])
			}
			share := dy[0]
			if len(wins) > 1 {
				share = b.Div(dy[0], addAll(b, wins))
			}
			for i := range out {
				if want[i] {
					out[i] = b.SumTo(b.Mul(share, wins[i]), n.In[i])
				}
			}
			return out
		},
	}
}

// clip passes the derivative where x is between the bounds, and nothing at a
// bound itself: Clip is mostly ReLU6, which like Relu has derivative 0 at 0.
// torch.clamp, which is exported as Clip too, has 1 there.
var clip = &ir.Op{
	Name: ir.OpName{Name: "Clip"}, Since: 11, Doc: "x limited to [min, max]",
	In: ir.P("input", "min?", "max?"), Out: ir.P("output"),
	Infer: func(n *ir.Node) ([]ir.Type, error) {
		if _, err := mergeElem(n.In...); err != nil {
			return nil, err
		}
		return same(n)
	},
	VJP: func(b *ir.Builder, n *ir.Node, dy []*ir.Value, want []bool) []*ir.Value {
		x, y := n.In[0], n.Out[0]
		return lazily(want,
			func() *ir.Value {
				dx := dy[0]
				if lo := n.Input(1); lo != nil {
					dx = maskBy(b, b.Op("Less", lo, x), dx)
				}
				if hi := n.Input(2); hi != nil {
					dx = maskBy(b, b.Op("Less", x, hi), dx)
				}
				return dx
			},
			func() *ir.Value { // raised to min, and not lowered to max after that
				raised := b.Op("And", b.Op("Less", x, n.In[1]), b.Op("Equal", y, n.In[1]))
				return b.SumTo(maskBy(b, raised, dy[0]), n.In[1])
			},
			func() *ir.Value {
				if lo := n.In[1]; lo != nil {
					x = b.Op("Max", x, lo)
				}
				return b.SumTo(maskBy(b, b.Op("Less", n.In[2], x), dy[0]), n.In[2])
			})
	},
	Body: func(b *ir.Builder, n *ir.Node) []*ir.Value {
		y := n.In[0]
		if lo := n.Input(1); lo != nil {
			y = b.Op("Max", y, lo)
		}
		if hi := n.Input(2); hi != nil {
			y = b.Op("Min", y, hi)
		}
		if y == n.In[0] {
			y = b.Op("Identity", y)
		}
		return []*ir.Value{y}
	},
}

var where = &ir.Op{
	Name: ir.OpName{Name: "Where"}, Since: 9, Doc: "x where the condition holds, else y",
	In: ir.P("condition", "X", "Y"), Out: ir.P("output"), Moves: true,
	Infer: func(n *ir.Node) ([]ir.Type, error) {
		if e := n.In[0].Type.Elem; e != ir.Bool && e != ir.Undefined {
			return nil, fmt.Errorf("the condition is of type %s, want bool", e)
		}
		elem, err := mergeElem(n.In[1:]...)
		if err != nil {
			return nil, err
		}
		s, err := broadcast(n.In[0].Type.Shape, n.In[1].Type.Shape, n.In[2].Type.Shape)
		return []ir.Type{{Elem: elem, Shape: s}}, err
	},
	Known: func(n *ir.Node) [][]ir.Dim {
		c := knownElems(n.In[0])
		if c == nil {
			c = unknownDims(1)
		}
		return [][]ir.Dim{zipDims3(c, intElems(n, 1), intElems(n, 2), func(c, d, e ir.Dim) ir.Dim {
			switch {
			case c.Is(1), d.Same(e):
				return d
			case c.Is(0):
				return e
			}
			return ir.Unknown
		})}
	},
	VJP: func(b *ir.Builder, n *ir.Node, dy []*ir.Value, want []bool) []*ir.Value {
		zero := func() *ir.Value { return b.Scalar(0, dy[0]) }
		return lazily(want,
			func() *ir.Value { return nil },
			func() *ir.Value { return b.SumTo(b.Op("Where", n.In[0], dy[0], zero()), n.In[1]) },
			func() *ir.Value { return b.SumTo(b.Op("Where", n.In[0], zero(), dy[0]), n.In[2]) })
	},
}

var prelu = &ir.Op{
	Name: ir.OpName{Name: "PRelu"}, Since: 9, Doc: "x if x ≥ 0, else slope · x",
	In: ir.P("X", "slope"), Out: ir.P("Y"),
	Infer: func(n *ir.Node) ([]ir.Type, error) {
		if _, err := mergeElem(n.In...); err != nil {
			return nil, err
		}
		return same(n)
	},
	VJP: func(b *ir.Builder, n *ir.Node, dy []*ir.Value, want []bool) []*ir.Value {
		x, slope := n.In[0], n.In[1]
		return lazily(want,
			func() *ir.Value { return b.Op("Where", positive(b, x), dy[0], b.Mul(dy[0], slope)) },
			func() *ir.Value {
				return b.SumTo(b.Op("Where", positive(b, x), b.Scalar(0, x), b.Mul(dy[0], x)), slope)
			})
	},
	Secant: func(b *ir.Builder, n *ir.Node) *ir.Value {
		return b.Op("Where", positive(b, n.In[0]), b.Scalar(1, n.In[0]), n.In[1])
	},
	Body: func(b *ir.Builder, n *ir.Node) []*ir.Value {
		x := n.In[0]
		return []*ir.Value{b.Op("Where", positive(b, x), x, b.Mul(x, n.In[1]))}
	},
}

func positive(b *ir.Builder, x *ir.Value) *ir.Value { return b.Op("Greater", x, b.Scalar(0, x)) }

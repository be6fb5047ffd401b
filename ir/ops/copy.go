package ops

import (
	"errors"
	"fmt"

	"github.com/lxtc/lxtc/ir"
)

// copyOps leave the values alone.
func copyOps() []*ir.Op { return []*ir.Op{identity, cast, castLike, bitCast, dropout} }

var identity = &ir.Op{
	Name: ir.OpName{Name: "Identity"}, Since: 1, Doc: "x",
	In: ir.P("input"), Out: ir.P("output"), Moves: true,
	Infer: same,
	Known: func(n *ir.Node) [][]ir.Dim { return [][]ir.Dim{n.In[0].Known} },
	VJP: func(b *ir.Builder, n *ir.Node, dy []*ir.Value, want []bool) []*ir.Value {
		return lazily(want, func() *ir.Value { return dy[0] })
	},
}

var cast = &ir.Op{
	Name: ir.OpName{Name: "Cast"}, Since: 6, Doc: "x as another element type",
	In: ir.P("input"), Out: ir.P("output"),
	Infer: func(n *ir.Node) ([]ir.Type, error) {
		to := n.Attrs.Int("to", 0)
		if to <= 0 || to > int64(ir.Int2) {
			return nil, fmt.Errorf("attribute to is %d, want an element type", to)
		}
		return one(n.In[0].Type.WithElem(ir.DType(to)))
	},
	Known: knownCast,
	VJP:   castVJP,
}

var castLike = &ir.Op{
	Name: ir.OpName{Name: "CastLike"}, Since: 15, Doc: "x as the element type of another tensor",
	In: ir.P("input", "target_type"), Out: ir.P("output"),
	Infer: func(n *ir.Node) ([]ir.Type, error) { return one(n.In[0].Type.WithElem(n.In[1].Type.Elem)) },
	Known: knownCast,
	VJP:   castVJP,
	Body: func(b *ir.Builder, n *ir.Node) []*ir.Value {
		if n.In[1].Type.Elem == ir.Undefined {
			return []*ir.Value{b.Fail("%v: the type of %s is not known", n, n.In[1])}
		}
		to := ir.Attr{Name: "to", Value: int64(n.In[1].Type.Elem)}
		return []*ir.Value{b.OpA("Cast", n.Attrs.With(to.Name, to.Value), n.In[0])}
	},
}

var bitCast = &ir.Op{
	Name: ir.OpName{Name: "BitCast"}, Since: 26, Doc: "the bits of x read as another element type",
	In: ir.P("input"), Out: ir.P("output"),
	Infer: func(n *ir.Node) ([]ir.Type, error) {
		t, to := n.In[0].Type, n.Attrs.Int("to", 0)
		if to <= 0 || to > int64(ir.Int2) || ir.DType(to) == ir.String {
			return nil, fmt.Errorf("attribute to is %d, want an element type", to)
		}
		if t.Elem != ir.Undefined && t.Elem.Bits() != ir.DType(to).Bits() {
			return nil, fmt.Errorf("elements of %s have %d bits, those of %s have %d", t.Elem, t.Elem.Bits(), ir.DType(to), ir.DType(to).Bits())
		}
		return one(t.WithElem(ir.DType(to)))
	},
}

// castVJP casts back. Nothing flows between floating point numbers and others.
func castVJP(b *ir.Builder, n *ir.Node, dy []*ir.Value, want []bool) []*ir.Value {
	x := n.In[0].Type.Elem
	if !x.IsFloat() && x != ir.Undefined || !n.Out[0].Type.Elem.IsFloat() && n.Out[0].Type.Elem != ir.Undefined {
		return make([]*ir.Value, len(want))
	}
	return lazily(want, func() *ir.Value { return castTo(b, dy[0], n.In[0]) })
}

// dropout does nothing outside training.
var dropout = &ir.Op{
	Name: ir.OpName{Name: "Dropout"}, Since: 12, Doc: "x; outside training nothing is dropped",
	In: ir.P("data", "ratio?", "training_mode?"), Out: ir.P("output", "mask?"),
	Infer: func(n *ir.Node) ([]ir.Type, error) {
		t := n.In[0].Type
		return optionalOutputs(n, t, t.WithElem(ir.Bool))
	},
	VJP: func(b *ir.Builder, n *ir.Node, dy []*ir.Value, want []bool) []*ir.Value {
		if err := notTraining(n); err != nil {
			b.Fail("%v: %w", n, err)
			return make([]*ir.Value, len(want))
		}
		return lazily(want, func() *ir.Value { return dy[0] })
	},
}

func notTraining(n *ir.Node) error {
	if n.Input(2) == nil {
		return nil
	}
	if train, ok := constInts(n.In[2]); ok && len(train) == 1 && train[0] == 0 {
		return nil
	}
	if ratio, ok := constTensor(n.Input(1)).Item(); ok && ratio == 0 {
		return nil
	}
	return errors.New("it may be training (training_mode is not the constant false): export the model for inference")
}

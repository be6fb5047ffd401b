package ir

import (
	"fmt"
	"slices"
)

// testOps is a small set of ONNX operators, enough for every shape of node:
// none, optional and variadic inputs, several and omitted outputs, constants
// that types depend on, bodies, subgraphs.
var testOps = NewOpSet(
	elementwise("Add", 2), elementwise("Sub", 2), elementwise("Mul", 2), elementwise("Div", 2),
	elementwise("Relu", 1), elementwise("Neg", 1), elementwise("Sigmoid", 1), elementwise("Exp", 1),
	elementwise("Identity", 1), elementwise("Softmax", 1), elementwise("Where", 3),
	&Op{Name: OpName{"", "Swish"}, In: P("x"), Out: P("y"), Infer: sameAsFirst, Body: func(b *Builder, n *Node) []*Value {
		return []*Value{b.Mul(n.In[0], b.Op("Sigmoid", b.Scale(n.In[0], float64(n.Attrs.Float("alpha", 1)))))}
	}},
	&Op{Name: OpName{"lxt", "Same"}, In: P("x"), Out: P("y"), Infer: sameAsFirst, Body: func(b *Builder, n *Node) []*Value {
		return []*Value{n.In[0]}
	}},
	&Op{Name: OpName{"lxt", "Twice"}, In: P("x"), Out: P("y", "z"), Infer: func(n *Node) ([]Type, error) {
		return []Type{n.In[0].Type, n.In[0].Type}, nil
	}, Body: func(b *Builder, n *Node) []*Value {
		y := b.Add(n.In[0], n.In[0])
		return []*Value{y, y}
	}},
	&Op{Name: OpName{"lxt", "Bad"}, In: P("x"), Out: P("y"), Infer: sameAsFirst, Body: func(b *Builder, n *Node) []*Value {
		b.Op("Neg", n.In[0])
		return []*Value{b.Fail("bad to the bone")}
	}},
	&Op{Name: OpName{"com.microsoft", "Gelu"}, In: P("x"), Out: P("y"), Infer: sameAsFirst},
	&Op{Name: OpName{"", "Clip"}, In: P("x", "min?", "max?"), Out: P("y"), Infer: sameAsFirst},
	&Op{Name: OpName{"", "Constant"}, Out: P("y"), Infer: inferConstant, Known: func(n *Node) [][]Dim {
		if t := n.Attrs.Tensor("value"); t != nil {
			return [][]Dim{t.Known()}
		}
		return nil
	}},
	&Op{Name: OpName{"", "Dropout"}, In: P("x", "ratio?", "training_mode?"), Out: P("y", "mask?"), Infer: func(n *Node) ([]Type, error) {
		return []Type{n.In[0].Type, n.In[0].Type.WithElem(Bool)}, nil
	}},
	&Op{Name: OpName{"", "Concat"}, In: P("x*"), Out: P("y"), Infer: func(n *Node) ([]Type, error) {
		t := n.In[0].Type
		t.Shape = slices.Clone(t.Shape)
		for i := range t.Shape {
			t.Shape[i] = Unknown
		}
		return []Type{t}, nil
	}},
	&Op{Name: OpName{"", "Split"}, In: P("x", "split?"), Out: P("y*"), Infer: func(n *Node) ([]Type, error) {
		t := n.In[0].Type
		t.Shape = slices.Clone(t.Shape)
		for i := range t.Shape {
			t.Shape[i] = Unknown
		}
		return slices.Repeat([]Type{t}, int(n.Attrs.Int("num_outputs", 1))), nil
	}},
	&Op{Name: OpName{"", "Reshape"}, In: P("x", "shape"), Out: P("y"), Infer: func(n *Node) ([]Type, error) {
		if k := n.In[1].Known; k != nil {
			return []Type{{n.In[0].Type.Elem, k}}, nil
		}
		return []Type{{Elem: n.In[0].Type.Elem}}, nil
	}},
	&Op{Name: OpName{"", "Cast"}, In: P("x"), Out: P("y"), Infer: func(n *Node) ([]Type, error) {
		return []Type{n.In[0].Type.WithElem(DType(n.Attrs.Int("to", 1)))}, nil
	}},
	&Op{Name: OpName{"", "If"}, In: P("cond"), Out: P("y*"), Infer: func(n *Node) ([]Type, error) {
		g := n.Attrs.Graph("then_branch")
		if g == nil {
			return nil, fmt.Errorf("attribute then_branch is missing")
		}
		var types []Type
		for _, v := range g.Outputs {
			types = append(types, v.Type)
		}
		return types, nil
	}},
)

func sameAsFirst(n *Node) ([]Type, error) { return []Type{n.In[0].Type}, nil }

// elementwise is an operator of n inputs that broadcast.
func elementwise(name string, n int) *Op {
	return &Op{Name: OpName{"", name}, In: P("a", "b", "c")[:n], Out: P("y"), Infer: func(n *Node) ([]Type, error) {
		t := n.In[len(n.In)-1].Type
		for _, v := range n.In {
			if len(n.In) < 3 && v.Type.Elem != t.Elem {
				return nil, fmt.Errorf("inputs are %s and %s", t, v.Type)
			}
			var err error
			if t.Shape, err = broadcast(t.Shape, v.Type.Shape); err != nil {
				return nil, err
			}
		}
		return []Type{t}, nil
	}}
}

func broadcast(a, b []Dim) ([]Dim, error) {
	if a == nil || b == nil {
		return nil, nil
	}
	if len(a) < len(b) {
		a, b = b, a
	}
	out := slices.Clone(a)
	for i, d := range b {
		k := len(a) - len(b) + i
		switch {
		case d.Is(1) || d == out[k]:
		case out[k].Is(1):
			out[k] = d
		case d.Differ(out[k]):
			return nil, fmt.Errorf("dimensions %s and %s do not broadcast", out[k], d)
		default:
			out[k] = Unknown
		}
	}
	return out, nil
}

func inferConstant(n *Node) ([]Type, error) {
	for _, a := range n.Attrs {
		switch v := a.Value.(type) {
		case *Tensor:
			return []Type{v.TypeOf()}, nil
		case int64:
			return []Type{TypeOf(Int64)}, nil
		case float32:
			return []Type{TypeOf(Float)}, nil
		case []int64:
			return []Type{TypeOf(Int64, int64(len(v)))}, nil
		}
	}
	return nil, fmt.Errorf("it has no value")
}

package ir

import (
	"bytes"
	"fmt"
	"math"
	"slices"
)

// Equal reports whether a and b compute the same in the same way: the same
// nodes in the same order, with the same attributes, types and constants,
// between inputs and outputs of the same names. The names of other values, of
// graphs and of nodes do not count, nor does where nodes come from.
func Equal(a, b *Graph) bool { return Diff(a, b) == "" }

// Diff says where a and b first differ, in the sense of Equal; "" if they do
// not.
func Diff(a, b *Graph) string {
	d := differ{vals: map[*Value]*Value{}}
	if s := d.interfaces(a, b); s != "" {
		return s
	}
	return d.graphs(a, b)
}

// Equal reports whether t and u have the same type, shape and bytes.
func (t *Tensor) Equal(u *Tensor) bool {
	if t == u || t == nil || u == nil {
		return t == u
	}
	return t.Elem == u.Elem && slices.Equal(t.Shape, u.Shape) && bytes.Equal(t.Raw, u.Raw) && slices.Equal(t.Strs, u.Strs)
}

type differ struct {
	vals map[*Value]*Value // values of the one graph that stand for values of the other
}

// interfaces compares the names of inputs and outputs.
func (d *differ) interfaces(a, b *Graph) string {
	for _, c := range []struct {
		what string
		a, b []*Value
	}{{"input", a.Inputs, b.Inputs}, {"output", a.Outputs, b.Outputs}} {
		if len(c.a) != len(c.b) {
			return fmt.Sprintf("%d and %d %ss", len(c.a), len(c.b), c.what)
		}
		for i := range c.a {
			if c.a[i].Name != c.b[i].Name {
				return fmt.Sprintf("%s %d is %s and %s", c.what, i, c.a[i], c.b[i])
			}
		}
	}
	return ""
}

func (d *differ) graphs(a, b *Graph) string {
	switch {
	case len(a.Inputs) != len(b.Inputs):
		return fmt.Sprintf("%d and %d inputs", len(a.Inputs), len(b.Inputs))
	case len(a.Outputs) != len(b.Outputs):
		return fmt.Sprintf("%d and %d outputs", len(a.Outputs), len(b.Outputs))
	case len(a.Consts) != len(b.Consts):
		return fmt.Sprintf("%d and %d constants", len(a.Consts), len(b.Consts))
	case a.len != b.len:
		return fmt.Sprintf("%d and %d nodes%s", a.len, b.len, d.firstNode(a, b))
	}
	for i, v := range a.Inputs {
		if !v.Type.Equal(b.Inputs[i].Type) {
			return fmt.Sprintf("input %d is %s %s and %s %s", i, v.Type, v, b.Inputs[i].Type, b.Inputs[i])
		}
		if !v.Default.Equal(b.Inputs[i].Default) {
			return fmt.Sprintf("input %d, %s, has another default", i, v)
		}
		d.vals[v] = b.Inputs[i]
	}
	i, m := 0, b.root.next
	for n := range a.Nodes() {
		if s := d.nodes(n, m); s != "" {
			return fmt.Sprintf("node %d, %v and %v: %s", i, n, m, s)
		}
		i, m = i+1, m.next
	}
	for i, v := range a.Outputs {
		if !d.same(v, b.Outputs[i]) {
			return fmt.Sprintf("output %d is %s and %s", i, v, b.Outputs[i])
		}
	}
	return ""
}

// firstNode says where two lists of nodes of unequal length part.
func (d *differ) firstNode(a, b *Graph) string {
	n, m := a.root.next, b.root.next
	for i := 0; n != &a.root && m != &b.root; i++ {
		if n.Op != m.Op {
			return fmt.Sprintf("; node %d is %v and %v", i, n, m)
		}
		n, m = n.next, m.next
	}
	return ""
}

// same reports whether v stands for w. Constants do if they are equal.
func (d *differ) same(v, w *Value) bool {
	if v == nil || w == nil {
		return v == w
	}
	if got, ok := d.vals[v]; ok {
		return got == w
	}
	if v.IsConst() && w.IsConst() && v.Data.Equal(w.Data) {
		d.vals[v] = w
		return true
	}
	return v == w // of a graph around both
}

func (d *differ) nodes(n, m *Node) string {
	switch {
	case n.Op != m.Op:
		return "other operators"
	case len(n.In) != len(m.In):
		return fmt.Sprintf("%d and %d inputs", len(n.In), len(m.In))
	case len(n.Out) != len(m.Out):
		return fmt.Sprintf("%d and %d outputs", len(n.Out), len(m.Out))
	case len(n.Attrs) != len(m.Attrs):
		return fmt.Sprintf("%d and %d attributes", len(n.Attrs), len(m.Attrs))
	}
	for i, v := range n.In {
		if !d.same(v, m.In[i]) {
			return fmt.Sprintf("input %d is %s and %s", i, v, m.In[i])
		}
	}
	for _, a := range n.Attrs {
		if s := d.attrs(a.Value, m.Attrs.Get(a.Name)); s != "" {
			return fmt.Sprintf("attribute %s: %s", a.Name, s)
		}
	}
	for i, v := range n.Out {
		w := m.Out[i]
		if v == nil || w == nil {
			if v != w {
				return fmt.Sprintf("output %d is %s and %s", i, v, w)
			}
			continue
		}
		if !v.Type.Equal(w.Type) {
			return fmt.Sprintf("output %d is %s %s and %s %s", i, v.Type, v, w.Type, w)
		}
		d.vals[v] = w
	}
	return ""
}

// attrs compares two attribute values.
func (d *differ) attrs(a, b any) string {
	equal := false
	switch x := a.(type) {
	case []int64:
		y, ok := b.([]int64)
		equal = ok && slices.Equal(x, y)
	case []float32:
		y, ok := b.([]float32)
		equal = ok && slices.EqualFunc(x, y, sameFloat)
	case float32:
		y, ok := b.(float32)
		equal = ok && sameFloat(x, y)
	case []string:
		y, ok := b.([]string)
		equal = ok && slices.Equal(x, y)
	case Type:
		y, ok := b.(Type)
		equal = ok && x.Equal(y)
	case Ref:
		y, ok := b.(Ref)
		equal = ok && x.Name == y.Name && kindName(x) == kindName(y)
	case *Tensor:
		y, ok := b.(*Tensor)
		equal = ok && x.Equal(y)
	case []*Tensor:
		y, ok := b.([]*Tensor)
		equal = ok && slices.EqualFunc(x, y, (*Tensor).Equal)
	case *Graph:
		y, ok := b.(*Graph)
		return d.graphLists([]*Graph{x}, []*Graph{y}, ok)
	case []*Graph:
		y, ok := b.([]*Graph)
		return d.graphLists(x, y, ok)
	default: // int64, string
		equal = a == b
	}
	if equal {
		return ""
	}
	return fmt.Sprintf("%v and %v", a, b)
}

// sameFloat tells zeros apart by their sign, and NaNs not at all.
func sameFloat(x, y float32) bool {
	return math.Float32bits(x) == math.Float32bits(y) || x != x && y != y
}

func (d *differ) graphLists(x, y []*Graph, ok bool) string {
	if !ok || len(x) != len(y) {
		return "other graphs"
	}
	for i := range x {
		if x[i] == nil || y[i] == nil {
			if x[i] != y[i] {
				return "other graphs"
			}
			continue
		}
		if s := d.graphs(x[i], y[i]); s != "" {
			return s
		}
	}
	return ""
}

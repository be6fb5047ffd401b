package ir

import (
	"bytes"
	"errors"
	"fmt"
)

// A Builder inserts nodes at one place in a graph. Its methods take and
// return values, so that they nest; the first error sticks and is in Err, and
// every value after it is a placeholder.
type Builder struct {
	Graph  *Graph
	Origin string  // copied to every node built
	Scopes []Scope // likewise

	ops  *OpSet
	mark *Node
	err  error
}

// At returns a builder that inserts before mark; nil is the end.
func (m *Model) At(g *Graph, mark *Node) *Builder {
	if mark == nil {
		mark = &g.root
	}
	return &Builder{Graph: g, ops: m.Ops, mark: mark}
}

// AtStart returns a builder that inserts before the first node of g.
func (m *Model) AtStart(g *Graph) *Builder { return m.At(g, g.root.next) }

// After returns a builder that inserts just after n.
func (m *Model) After(n *Node) *Builder { return m.At(n.graph, n.next) }

// Err returns the first error of a build.
func (b *Builder) Err() error { return b.err }

// Ops returns the operators that the builder knows.
func (b *Builder) Ops() *OpSet { return b.ops }

// Fail makes the build fail and returns a placeholder.
func (b *Builder) Fail(format string, args ...any) *Value {
	if b.err == nil {
		b.err = fmt.Errorf(format, args...)
	}
	return &Value{Name: "!bad", Type: Type{Elem: Float}}
}

// Op adds a node with one output.
func (b *Builder) Op(name string, in ...*Value) *Value {
	return b.Node(OpName{Name: name}, nil, in...).Out[0]
}

// OpA is Op with attributes.
func (b *Builder) OpA(name string, attrs Attrs, in ...*Value) *Value {
	return b.Node(OpName{Name: name}, attrs, in...).Out[0]
}

// Node adds a node with as many outputs as its operator infers. Trailing nil
// inputs are dropped; other nil inputs are omitted ones.
func (b *Builder) Node(name OpName, attrs Attrs, in ...*Value) *Node {
	for len(in) > 0 && in[len(in)-1] == nil {
		in = in[:len(in)-1]
	}
	n := &Node{Op: name, Attrs: attrs, In: make([]*Value, len(in)), Origin: b.Origin, Scopes: b.Scopes}
	bad := func(err error) *Node {
		if b.err == nil {
			b.err = err
		}
		n.Out = make([]*Value, 16) // enough for any reader of Out
		for i := range n.Out {
			n.Out[i] = &Value{Name: "!bad", Type: Type{Elem: Float}}
		}
		return n
	}
	op := b.ops.Lookup(name)
	switch {
	case b.err != nil:
		return bad(b.err)
	case op == nil:
		return bad(fmt.Errorf("unknown operator %s", name))
	}
	copy(n.In, in)
	if err := op.CheckInputs(n); err != nil {
		return bad(fmt.Errorf("%s: %w", name, err))
	}
	types, err := op.Infer(n)
	if err != nil {
		return bad(fmt.Errorf("%s: %w", name, err))
	}
	for i, v := range in {
		n.In[i] = nil
		n.SetInput(i, v)
	}
	for _, t := range types {
		n.Out = append(n.Out, &Value{Name: b.Graph.unique("t"), Type: t, Def: n})
	}
	op.learn(n)
	b.Graph.insertBefore(b.mark, n)
	return n
}

// CheckInputs reports a wrong number of inputs or a missing one.
func (op *Op) CheckInputs(n *Node) error {
	lo, hi := Arity(op.In)
	if len(n.In) < lo || hi >= 0 && len(n.In) > hi {
		if lo == hi {
			return fmt.Errorf("got %d inputs, want %d", len(n.In), lo)
		}
		if hi < 0 {
			return fmt.Errorf("got %d inputs, want %d or more", len(n.In), lo)
		}
		return fmt.Errorf("got %d inputs, want %d to %d", len(n.In), lo, hi)
	}
	for i, v := range n.In {
		p := op.In[min(i, len(op.In)-1)]
		if v == nil && !p.Optional {
			return fmt.Errorf("input %d (%s) is missing", i, p.Name)
		}
	}
	return nil
}

// Reinfer computes the types and known elements of n's outputs again, after
// its inputs or attributes changed. A type that is already more precise is
// kept.
func (m *Model) Reinfer(n *Node) error {
	op := m.Ops.Lookup(n.Op)
	if op == nil {
		return fmt.Errorf("unknown operator %s", n.Op)
	}
	if err := op.CheckInputs(n); err != nil {
		return err
	}
	types, err := op.Infer(n)
	if err != nil {
		return err
	}
	if len(n.Out) > len(types) {
		return fmt.Errorf("%d outputs, want at most %d", len(n.Out), len(types))
	}
	var errs []error
	for i, v := range n.Out {
		if v == nil {
			continue
		}
		t, err := Refine(v.Type, types[i])
		if err != nil {
			errs = append(errs, fmt.Errorf("output %d (%s): %w", i, v, err))
			continue
		}
		v.Type = t
	}
	op.learn(n)
	return errors.Join(errs...)
}

// learn fills in the known elements of n's outputs.
func (op *Op) learn(n *Node) {
	if op.Known == nil {
		return
	}
	for i, k := range op.Known(n) {
		if i < len(n.Out) && n.Out[i] != nil && k != nil && len(k) <= maxKnown {
			n.Out[i].Known = k
		}
	}
}

// Refine returns what two descriptions of one tensor say together, or an
// error if they contradict each other. Where both name a dimension, a number
// wins over a symbol and t's symbol over u's.
func Refine(t, u Type) (Type, error) {
	if t.Elem == Undefined {
		t.Elem = u.Elem
	}
	if u.Elem != Undefined && t.Elem != u.Elem {
		return t, fmt.Errorf("type %s is inferred as %s", t, u)
	}
	switch {
	case t.Shape == nil:
		return Type{t.Elem, u.Shape}, nil
	case u.Shape == nil:
		return t, nil
	case len(t.Shape) != len(u.Shape):
		return t, fmt.Errorf("type %s is inferred as %s", t, u)
	}
	out := Type{t.Elem, make([]Dim, len(t.Shape))}
	for i, d := range t.Shape {
		e := u.Shape[i]
		if d.Differ(e) {
			return t, fmt.Errorf("type %s is inferred as %s", t, u)
		}
		_, known := e.Num()
		if d.IsUnknown() || known {
			d = e
		}
		out.Shape[i] = d
	}
	return out, nil
}

// Named gives v a name of its own and returns it.
func (b *Builder) Named(name string, v *Value) *Value {
	if b.err == nil && v.Def != nil {
		b.Graph.rename(v, name)
	}
	return v
}

// Constant adds t as a Constant node.
func (b *Builder) Constant(t *Tensor) *Value {
	return b.OpA("Constant", Attrs{{"value", t}})
}

// Repeated is a constant whose bytes are all x. In one graph, those of equal
// type and shape share their tensor: a model of 4-bit weights has thousands of
// them, half a megabyte each.
func (b *Builder) Repeated(x byte, elem DType, shape ...int) *Value {
	size, err := ByteSize(elem, shape)
	if err != nil {
		return b.Fail("%w", err)
	}
	key := fmt.Sprintf("%d %s%v", x, elem, shape)
	t := b.Graph.repeated[key]
	if t == nil {
		t = &Tensor{Elem: elem, Shape: shape, Raw: bytes.Repeat([]byte{x}, int(size))}
		if b.Graph.repeated == nil {
			b.Graph.repeated = map[string]*Tensor{}
		}
		b.Graph.repeated[key] = t
	}
	return b.Constant(t)
}

// Scalar is the constant x, of rank 0, with the element type of like.
func (b *Builder) Scalar(x float64, like *Value) *Value {
	t, err := Scalar(like.Type.Elem, x)
	if err != nil {
		return b.Fail("%w", err)
	}
	return b.Constant(t)
}

// Ints is an int64 vector constant.
func (b *Builder) Ints(x ...int64) *Value { return b.Constant(Of(x, len(x))) }

// Add returns x + y, broadcast.
func (b *Builder) Add(x, y *Value) *Value { return b.Op("Add", x, y) }

// Sub returns x - y, broadcast.
func (b *Builder) Sub(x, y *Value) *Value { return b.Op("Sub", x, y) }

// Mul returns x * y, broadcast.
func (b *Builder) Mul(x, y *Value) *Value { return b.Op("Mul", x, y) }

// Div returns x / y, broadcast.
func (b *Builder) Div(x, y *Value) *Value { return b.Op("Div", x, y) }

// Neg returns -x.
func (b *Builder) Neg(x *Value) *Value { return b.Op("Neg", x) }

// MatMul returns the matrix product, broadcasting leading dimensions.
func (b *Builder) MatMul(x, y *Value) *Value { return b.Op("MatMul", x, y) }

// Scale returns x times a number; x itself for 1.
func (b *Builder) Scale(x *Value, f float64) *Value {
	if f == 1 {
		return x
	}
	return b.Mul(x, b.Scalar(f, x))
}

// Sum reduces the given axes, keeping them as ones.
func (b *Builder) Sum(x *Value, axes ...int64) *Value {
	return b.OpA("ReduceSum", Attrs{{"keepdims", int64(1)}}, x, b.Ints(axes...))
}

// Mean averages over the given axes, keeping them as ones.
func (b *Builder) Mean(x *Value, axes ...int64) *Value {
	return b.OpA("ReduceMean", Attrs{{"keepdims", int64(1)}}, x, b.Ints(axes...))
}

// Transpose permutes axes.
func (b *Builder) Transpose(x *Value, perm ...int64) *Value {
	return b.OpA("Transpose", Attrs{{"perm", perm}}, x)
}

// SwapLast transposes the last two axes.
func (b *Builder) SwapLast(x *Value) *Value {
	r := x.Type.Rank()
	if r < 2 {
		return b.Fail("transposing the last two axes of %s, which is %s", x, x.Type)
	}
	perm := make([]int64, r)
	for i := range perm {
		perm[i] = int64(i)
	}
	perm[r-1], perm[r-2] = perm[r-2], perm[r-1]
	return b.Transpose(x, perm...)
}

// SumTo undoes broadcasting: it reduces x to the shape of like. Where the
// types do not say whether an axis was broadcast, the graph finds out when it
// runs.
func (b *Builder) SumTo(x, like *Value) *Value {
	xs, ls := x.Type.Shape, like.Type.Shape
	if xs == nil || ls == nil {
		return b.Fail("cannot reduce %s (%s) to the shape of %s (%s): unknown rank", x, x.Type, like, like.Type)
	}
	lead := len(xs) - len(ls)
	if lead < 0 {
		return b.Fail("cannot reduce %s (%s) to the shape of %s (%s)", x, x.Type, like, like.Type)
	}
	var axes []int64
	unsure := false
	for i, d := range xs {
		switch {
		case i < lead:
			axes = append(axes, int64(i))
		case ls[i-lead].Is(1):
			if !d.Is(1) {
				axes = append(axes, int64(i))
			}
		case ls[i-lead].Same(d):
		default:
			// Equal unless like has a 1 here. A number other than 1 is no 1.
			if _, known := ls[i-lead].Num(); !known {
				unsure = true
			}
		}
	}
	if lead > 0 {
		all := make([]int64, lead)
		for i := range all {
			all[i] = int64(i)
		}
		x = b.OpA("ReduceSum", Attrs{{"keepdims", int64(0)}}, x, b.Ints(all...))
		keep := axes[:0]
		for _, a := range axes {
			if a >= int64(lead) {
				keep = append(keep, a-int64(lead))
			}
		}
		axes = keep
	}
	if len(axes) > 0 {
		x = b.Sum(x, axes...)
	}
	if unsure {
		x = b.sumToDynamic(x, like)
	}
	return x
}

// sumToDynamic reduces the axes in which like has a 1 and x, of equal rank,
// has not: axes that only the running graph knows.
func (b *Builder) sumToDynamic(x, like *Value) *Value {
	differ := b.Op("Not", b.Op("Equal", b.Op("Shape", x), b.Op("Shape", like)))
	axes := b.OpA("Reshape", nil, b.Op("NonZero", differ), b.Ints(-1))
	y := b.OpA("ReduceSum", Attrs{{"keepdims", int64(1)}, {"noop_with_empty_axes", int64(1)}}, x, axes)
	if b.err == nil { // inference cannot know the axes, but the result is like's shape
		y.Type = Type{x.Type.Elem, like.Type.Shape}
	}
	return y
}

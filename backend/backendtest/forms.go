package backendtest

import (
	"fmt"
	"math"
	"slices"

	"github.com/lxtc/lxtc/ir"
)

// forms are ways in which operands can lie in memory. They put operators in
// front of every input of a model, so that its own operators meet views instead
// of plain tensors.
var forms = []struct {
	name  string
	apply func(m *ir.Model, in map[string]*ir.Tensor) error
}{
	{"as given", func(*ir.Model, map[string]*ir.Tensor) error { return nil }},
	{"transposed", wrapped(transposed)},
	{"cut out", wrapped(cutOut)},
	{"backwards", wrapped(backwards)},
	{"the second half", wrapped(secondHalf)},
	{"repeated", wrapped(repeated)},
	{"in memory of their own", wrapped(owned)},
	{"in memory of their own and outputs", outputs},
}

// A wrapper makes x, the tensor of an input, with nodes from another tensor,
// which in makes the input instead. A nil result leaves the input as it is.
type wrapper func(b *ir.Builder, in func(*ir.Tensor) *ir.Value, x *ir.Tensor) *ir.Value

// wrapped applies f to every input whose elements it can move.
func wrapped(f wrapper) func(*ir.Model, map[string]*ir.Tensor) error {
	return func(m *ir.Model, in map[string]*ir.Tensor) error {
		for _, v := range slices.Clone(m.Graph.Inputs) {
			x := in[v.Name]
			if x.Elem.Bits() < 8 || x.Elem.Bits()%8 != 0 {
				continue
			}
			b := m.AtStart(m.Graph)
			y := f(b, func(t *ir.Tensor) *ir.Value {
				u := m.Graph.Input("whole_"+v.Name, t.TypeOf())
				in[u.Name] = t
				return u
			}, x)
			if b.Err() != nil {
				return b.Err()
			}
			if y == nil {
				continue
			}
			y.Known = v.Known
			m.Graph.ReplaceUses(v, y)
			m.Graph.Inputs = slices.DeleteFunc(m.Graph.Inputs, func(u *ir.Value) bool { return u == v })
			delete(in, v.Name)
		}
		return ir.Verify(m)
	}
}

// outputs puts operands into memory that a backend could overwrite, and asks
// for them in the end.
func outputs(m *ir.Model, in map[string]*ir.Tensor) error {
	before := map[*ir.Value]bool{}
	for v := range m.Graph.Values() {
		before[v] = true
	}
	if err := wrapped(owned)(m, in); err != nil {
		return err
	}
	for v := range m.Graph.Values() {
		if !before[v] && v.Def != nil && v.Def.Op.Name == "Concat" {
			m.Graph.Outputs = append(m.Graph.Outputs, v)
		}
	}
	return nil
}

func transposed(b *ir.Builder, in func(*ir.Tensor) *ir.Value, x *ir.Tensor) *ir.Value {
	if len(x.Shape) < 2 {
		return nil
	}
	shape := slices.Clone(x.Shape)
	slices.Reverse(shape)
	t := scattered(x, shape, func(at []int) { slices.Reverse(at) })
	return b.Op("Transpose", in(t))
}

// cutOut surrounds x with NaNs on all sides.
func cutOut(b *ir.Builder, in func(*ir.Tensor) *ir.Value, x *ir.Tensor) *ir.Value {
	if len(x.Shape) == 0 {
		return nil
	}
	shape := slices.Clone(x.Shape)
	var starts, ends []int64
	for i := range shape {
		starts, ends = append(starts, 1), append(ends, int64(1+shape[i]))
		shape[i] += 3
	}
	t := scattered(x, shape, func(at []int) {
		for i := range at {
			at[i]++
		}
	})
	return b.Op("Slice", in(t), b.Ints(starts...), b.Ints(ends...))
}

func backwards(b *ir.Builder, in func(*ir.Tensor) *ir.Value, x *ir.Tensor) *ir.Value {
	last := len(x.Shape) - 1
	if last < 0 {
		return nil
	}
	t := scattered(x, x.Shape, func(at []int) { at[last] = x.Shape[last] - 1 - at[last] })
	return b.Op("Slice", in(t), b.Ints(-1), b.Ints(math.MinInt64), b.Ints(-1), b.Ints(-1))
}

func secondHalf(b *ir.Builder, in func(*ir.Tensor) *ir.Value, x *ir.Tensor) *ir.Value {
	if len(x.Shape) == 0 {
		return nil
	}
	shape := slices.Clone(x.Shape)
	shape[0] *= 2
	t := scattered(x, shape, func(at []int) { at[0] += x.Shape[0] })
	part := int64(x.Shape[0])
	n := b.Node(ir.OpName{Name: "Split"}, nil, in(t), b.Ints(part, part))
	return n.Out[1]
}

// repeated takes the first element along the first axis of more than one, of a
// floating point tensor, as many times as the axis is long.
func repeated(b *ir.Builder, in func(*ir.Tensor) *ir.Value, x *ir.Tensor) *ir.Value {
	axis := slices.IndexFunc(x.Shape, func(d int) bool { return d > 1 })
	if axis < 0 || !x.Elem.IsFloat() {
		return nil
	}
	n := b.OpA("Identity", nil, in(x))
	one := b.Op("Slice", n, b.Ints(0), b.Ints(1), b.Ints(int64(axis)))
	var shape []int64
	for _, d := range x.Shape {
		shape = append(shape, int64(d))
	}
	return b.Op("Expand", one, b.Ints(shape...))
}

// owned copies x: joining one tensor makes another.
func owned(b *ir.Builder, in func(*ir.Tensor) *ir.Value, x *ir.Tensor) *ir.Value {
	if len(x.Shape) == 0 {
		return nil
	}
	return b.OpA("Concat", ir.Attrs{{Name: "axis", Value: int64(0)}}, in(x))
}

// scattered returns a tensor of the given shape with the elements of x where
// place moves their indices. All bits of the others are set: NaNs, and indices
// and booleans that do harm.
func scattered(x *ir.Tensor, shape []int, place func(at []int)) *ir.Tensor {
	size := x.Elem.Bits() / 8
	raw := make([]byte, count(shape)*size)
	for i := range raw {
		raw[i] = 0xff
	}
	at := make([]int, len(x.Shape))
	for i := range x.Len() {
		rest := i
		for k := len(at) - 1; k >= 0; k-- {
			at[k] = rest % x.Shape[k]
			rest /= x.Shape[k]
		}
		place(at)
		j := 0
		for k, d := range shape {
			j = j*d + at[k]
		}
		copy(raw[j*size:(j+1)*size], x.Raw[i*size:])
	}
	t, err := ir.NewTensor(x.Elem, shape, raw)
	if err != nil {
		panic(fmt.Sprintf("backendtest: %v", err))
	}
	return t
}

func count(shape []int) int {
	n := 1
	for _, d := range shape {
		n *= d
	}
	return n
}

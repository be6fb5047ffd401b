package gorgonia

import (
	"context"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/lxtc/lxtc/backend"
	"github.com/lxtc/lxtc/ir"
	"github.com/lxtc/lxtc/ir/ops"
)

// smallWeight is an unpacked random weight: a node over constants of small types.
func smallWeight(b *ir.Builder, r *rand.Rand, shape ...int) *ir.Value {
	constant := func(elem ir.DType, shape ...int) *ir.Value {
		size, err := ir.ByteSize(elem, shape)
		if err != nil {
			panic(err)
		}
		t := &ir.Tensor{Elem: elem, Shape: shape, Raw: make([]byte, size)}
		for i := range t.Raw {
			t.Raw[i] = byte(r.Uint32())
		}
		return b.Graph.Const("w", t)
	}
	kinds := []ir.DType{ir.Int8, ir.Uint8, ir.Int4, ir.Uint4, ir.Float16, ir.BFloat16}
	elem := kinds[r.IntN(len(kinds))]
	halves := func(v *ir.Value) *ir.Value {
		for i := 1; i < len(v.Data.Raw); i += 2 { // numbers of moderate size
			v.Data.Raw[i] = v.Data.Raw[i]&0x83 | 0x38
		}
		return v
	}
	widened := func(v *ir.Value) *ir.Value { return b.OpA("Cast", ir.Attrs{{Name: "to", Value: int64(ir.Float)}}, v) }
	if elem.IsFloat() {
		return widened(halves(constant(elem, shape...)))
	}
	if len(shape) == 2 && r.IntN(5) == 0 {
		n, k, block := shape[0], shape[1], 1+r.IntN(70)
		var absmax []float32
		for range (n*k + block - 1) / block {
			absmax = append(absmax, r.Float32())
		}
		return b.Node(ir.OpName{Domain: "lxt", Name: "DequantizeBnb4"}, ir.Attrs{
			{Name: "N", Value: int64(n)}, {Name: "K", Value: int64(k)}, {Name: "block_size", Value: int64(block)}, {Name: "quant_type", Value: int64(r.IntN(2))},
		}, constant(ir.Uint8, (n*k+1)/2), b.Graph.Const("s", ir.Of(absmax, len(absmax)))).Out[0]
	}
	w := constant(elem, shape...)
	rank := len(shape)
	axis, block := r.IntN(rank), []int{16, 32, 1 + r.IntN(50)}[r.IntN(3)]
	attrs := ir.Attrs{{Name: "axis", Value: int64(axis - r.IntN(2)*rank)}}
	scale := []int{}
	switch kind := r.IntN(3); {
	case kind == 0:
		scale = []int{shape[axis]}
	case kind == 1 && axis > rank-3: // blocks of others are not read as they are stored
		attrs = append(attrs, ir.Attr{Name: "block_size", Value: int64(block)})
		scale = slices.Clone(shape)
		scale[axis] = (scale[axis] + block - 1) / block
	}
	scales := make([]float32, count(scale))
	for i := range scales {
		scales[i] = r.Float32() - 0.5
	}
	in := []*ir.Value{w, b.Graph.Const("s", ir.Of(scales, scale...))}
	switch r.IntN(4) {
	case 0:
		in[1] = widened(halves(constant(ir.Float16, scale...)))
	case 1: // as a MatMulNBits has them
		dims := []int64{}
		for _, d := range scale {
			dims = append(dims, int64(d))
		}
		in[1] = b.Op("Reshape", widened(halves(constant(ir.BFloat16, count(scale)))), b.Ints(dims...))
	}
	if r.IntN(2) == 0 {
		in = append(in, constant(elem, scale...))
	}
	return b.OpA("DequantizeLinear", attrs, in...)
}

// TestWeightsAreReadAsTheyAreStored says that products of weights of small types,
// forward and transposed, are those of the unpacked weights to the bit, and that
// these are not there.
func TestWeightsAreReadAsTheyAreStored(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 4))
	for range 120 {
		m, k, n := 1+r.IntN(20), 1+r.IntN(90), 1+r.IntN(90)
		if r.IntN(3) == 0 {
			k, n = 32*(1+r.IntN(3)), 32*(1+r.IntN(3))
		}
		model := &ir.Model{Graph: ir.NewGraph("g"), Ops: ops.Standard()}
		b := model.At(model.Graph, nil)
		input := func(name string, shape ...int64) *ir.Value {
			return model.Graph.Input(name, ir.TypeOf(ir.Float, shape...))
		}
		x, z := input("x", 2, int64(m), int64(k)), input("z", int64(m), int64(n))
		w := smallWeight(b, r, k, n)
		turned := b.Transpose(w, 1, 0)
		forward := []*ir.Value{
			b.MatMul(x, w),
			b.Node(ir.OpName{Domain: "lxt", Name: "Linear"}, nil, x, b.Transpose(turned, 1, 0)).Out[0],
		}
		back := []*ir.Value{
			b.MatMul(z, turned),
			b.OpA("Gemm", ir.Attrs{{Name: "transB", Value: int64(1)}, {Name: "alpha", Value: float32(0.5)}}, z, w),
			b.OpA("Gemm", nil, z, turned),
		}
		for i, y := range append(forward, back...) {
			model.Graph.Outputs = append(model.Graph.Outputs, b.Named("y"+string(rune('0'+i)), y))
		}
		if b.Err() != nil {
			t.Fatal(b.Err())
		}
		in := tensors{"x": randomTensor(r, 2, m, k), "z": randomTensor(r, m, n)}
		unpacked, wantPeak := outputsOf(t, engine{strict: true, plain: true}, model, in)
		stored, peak := outputsOf(t, engine{strict: true}, model, in)
		if d := cmp.Diff(unpacked, stored); d != "" {
			t.Fatalf("m=%d, %v of %v (-unpacked +stored):\n%s", m, w.Def, w.Def.In[0], d)
		}
		if wantPeak-peak < int64(4*k*n) {
			t.Fatalf("m=%d, %v of %v: peaks are %d bytes with the weight unpacked and %d without", m, w.Def, w.Def.In[0], wantPeak, peak)
		}
	}
}

func randomTensor(r *rand.Rand, shape ...int) *ir.Tensor {
	x := make([]float32, count(shape))
	for i := range x {
		x[i] = r.Float32()*2 - 1
	}
	return ir.Of(x, shape...)
}

// outputsOf returns the bits of all outputs, and the peak of memory.
func outputsOf(t *testing.T, e engine, m *ir.Model, in tensors) (map[string][]byte, int64) {
	t.Helper()
	s, err := backend.Open(e, m, backend.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	}()
	bits := map[string][]byte{}
	for range 2 {
		out, err := s.Run(context.Background(), in)
		if err != nil {
			t.Fatal(err)
		}
		for name, v := range out {
			bits[name] = v.Raw
		}
	}
	return bits, s.Stats().Peak
}

// TestWeightsThatOthersReadAreUnpacked says that a weight of which anything but a
// product's second operand is made is there as float32s.
func TestWeightsThatOthersReadAreUnpacked(t *testing.T) {
	const weight = `g (float[2,2] x, bool c) => (y) <int8[2,2] w = {1, -2, 3, 4}, float s = {0.5}> {
  d = DequantizeLinear (w, s)
  p = MatMul (x, d)
`
	for name, rest := range map[string]string{
		"an elementwise function": "y = Add (p, d)\n}",
		"the first operand":       "q = MatMul (d, p)\n y = Add (p, q)\n}",
		"both operands":           "q = MatMul (d, d)\n y = Add (p, q)\n}",
		"a bias":                  "q = lxt.Linear (x, p, d)\n y = Add (p, q)\n}",
		"a transpose for a sum":   "t = Transpose (d)\n q = MatMul (x, t)\n r = Add (q, t)\n y = Add (p, r)\n}",
		"a graph in a node": `y = If (c) <
    then_branch = a () => (u) { u = MatMul (x, d) },
    else_branch = b () => (v) { v = Add (x, d) }>
}`,
	} {
		t.Run(name, func(t *testing.T) {
			m := parsed(t, weight+rest)
			in := tensors{"x": ir.Of([]float32{1, 2, 3, -1}, 2, 2), "c": ir.Of([]bool{true})}
			if d := cmp.Diff(inFloat64(t, m, in), ran(t, open(t, m, backend.Options{}), in), near); d != "" {
				t.Errorf("y (-want +got):\n%s", d)
			}
		})
	}
	t.Run("an output", func(t *testing.T) {
		m := parsed(t, `g (float[2,2] x) => (y, d) <int8[2,2] w = {1, -2, 3, 4}, float s = {0.5}> {
  d = DequantizeLinear (w, s)
  y = MatMul (x, d)
}`)
		s := open(t, m, backend.Options{})
		out, err := s.Run(context.Background(), tensors{"x": ir.Of([]float32{1, 2, 3, -1}, 2, 2)})
		if err != nil {
			t.Fatal(err)
		}
		if d, err := out["d"].Float64s(); err != nil || !cmp.Equal(d, []float64{0.5, -1, 1.5, 2}) {
			t.Errorf("d is %v, %v", d, err)
		}
	})
}

// TestStoredWeightsAreWatched says that somebody who watches the nodes sees weights
// as what they are.
func TestStoredWeightsAreWatched(t *testing.T) {
	m := parsed(t, `g (float[1,2] x) => (y) <int8[2,2] w = {1, -2, 3, 4}, float s = {0.5}> {
  d = DequantizeLinear (w, s)
  y = MatMul (x, d)
}`)
	var seen []float64
	s := open(t, m, backend.Options{WatchNaN: true, Trace: func(n *ir.Node, out []*ir.Tensor) (err error) {
		if n.Op.Name == "DequantizeLinear" {
			seen, err = out[0].Float64s()
		}
		return err
	}})
	if d := cmp.Diff([]float64{3.5, 3}, ran(t, s, tensors{"x": ir.Of([]float32{1, 2}, 1, 2)})); d != "" {
		t.Errorf("y (-want +got):\n%s", d)
	}
	if d := cmp.Diff([]float64{0.5, -1, 1.5, 2}, seen); d != "" {
		t.Errorf("the weight seen (-want +got):\n%s", d)
	}
}

// TestALargeWeightIsNeverUnpacked says that a run with it, forward and back, takes
// less than a sixteenth of what its float32s would.
func TestALargeWeightIsNeverUnpacked(t *testing.T) {
	const size = 768
	r := rand.New(rand.NewPCG(5, 6))
	for range 8 {
		m := &ir.Model{Graph: ir.NewGraph("g"), Ops: ops.Standard()}
		b := m.At(m.Graph, nil)
		x := m.Graph.Input("x", ir.TypeOf(ir.Float, 8, size))
		w := smallWeight(b, r, size, size)
		y := b.MatMul(b.MatMul(x, w), b.Transpose(w, 1, 0))
		m.Graph.Outputs = []*ir.Value{b.Named("y", y)}
		if b.Err() != nil {
			t.Fatal(b.Err())
		}
		s := open(t, m, backend.Options{})
		ran(t, s, tensors{"x": randomTensor(r, 8, size)})
		if peak := s.Stats().Peak; peak > 4*size*size/16 {
			t.Errorf("%v of %v: peak is %d bytes", w.Def, w.Def.In[0], peak)
		}
	}
}

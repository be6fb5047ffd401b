package passes_test

import (
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/lxtc/lxtc/backend"
	"github.com/lxtc/lxtc/backend/backendtest"
	"github.com/lxtc/lxtc/backend/gorgonia"
	"github.com/lxtc/lxtc/backend/reference"
	"github.com/lxtc/lxtc/ir"
	"github.com/lxtc/lxtc/ir/ops"
	"github.com/lxtc/lxtc/passes"
	"github.com/lxtc/lxtc/rules"
)

// points is how many runs are stacked in these tests.
const points = 3

// unliftable are the operators that never take several points at once: their
// results have a shape that depends on the numbers, or nothing is known of how they
// are for several.
var unliftable = []string{
	"BlackmanWindow", "Compress", "ConstantOfShape", "ConvInteger", "DeformConv", "DequantizeLinear", "Det", "DynamicQuantizeLinear", "EyeLike", "HammingWindow",
	"HannWindow", "MatMulInteger", "MelWeightMatrix", "NonMaxSuppression", "NonZero", "QLinearConv", "QLinearMatMul", "QuantizeLinear", "Range", "ReverseSequence",
	"RoiAlign", "TfIdfVectorizer", "Unique",
}

// enough is how many models of one operator the test takes.
const enough = 15

// A lifted model computes at stacked inputs what the model computes at each: for
// every operator, and for each of its inputs that may differ from point to point and
// all of them, with shapes that are known and with shapes that only a run knows.
func TestLiftIsManyRuns(t *testing.T) {
	lifted, refused := map[string]bool{}, map[string]bool{}
	count := map[ir.OpName]int{}
	tried := func(m *ir.Model) int { // models that begin with the same operator
		op := ir.OpName{}
		for n := range m.Graph.Nodes() {
			op = n.Op
			break
		}
		count[op]++
		return count[op]
	}
	backendtest.Each(t, func(name string, m *ir.Model, in map[string]*ir.Tensor) {
		if !stackable(m) || tried(m) > enough {
			return
		}
		names := inputNames(m)
		sets := [][]string{names}
		for i := range names {
			if len(names) > 1 {
				sets = append(sets, names[i:i+1])
			}
		}
		for _, set := range sets {
			for _, symbolic := range []bool{false, true} {
				c := m.Clone()
				if symbolic && !symbols(c) {
					continue
				}
				why, err := liftedRuns(t, c, set, in, 1e-13) // sums in another order
				if err != nil {
					t.Errorf("%s, points of %v, symbolic %v: %v\n%s", name, set, symbolic, err, m.Text())
				}
				for n := range m.Graph.Nodes() {
					if why == nil {
						lifted[n.Op.String()] = true
					} else {
						refused[n.Op.String()] = true
					}
				}
			}
		}
	})
	var never []string
	for _, op := range slices.Sorted(maps.Keys(refused)) {
		if !lifted[op] && !strings.Contains(op, ".") {
			never = append(never, op)
		}
	}
	if d := cmp.Diff(unliftable, never); d != "" {
		t.Errorf("operators that take several points at no input: %s", d)
	}
}

// What the cases of the operators leave out.
func TestLiftOfRareForms(t *testing.T) {
	for _, c := range []struct{ name, text string }{
		{"expanded to fewer axes than there are", `g (float[1,3] x) => (y) { s = Constant <value = int64[1] {3}> () y = Expand (x, s) }`},
		{"expanded to more axes than there are", `g (float[3,1] x) => (y) { s = Constant <value = int64[4] {2, 1, 1, 5}> () y = Expand (x, s) }`},
		{"all axes of length 1 taken out", `g (float[1,3,1] x) => (y) { y = Squeeze (x) }`},
		{"parts as many as outputs", `g (float[4,2] x) => (y, z) { y, z = Split (x) }`},
		{"a matrix beside a batch of them", `g (float[3,4] x, float[2,4,5] w) => (y) { y = MatMul (x, w) }`},
		{"shapes that come from others", `g (float[2,3] x, float[3,2] u) => (y) { s = Shape (u) y = Reshape <allowzero = 1> (x, s) }`},
		{"axes that a run knows", `g (float[2,3,4] x, bool[1] late) => (y) {
  a = Constant <value = int64[1] {1}> ()
  b = Constant <value = int64[1] {-1}> ()
  axes = Where (late, b, a)
  y = ReduceSum (x, axes)
}`},
	} {
		t.Run(c.name, func(t *testing.T) {
			m, err := ir.Parse(c.text, ops.Standard())
			if err != nil {
				t.Fatal(err)
			}
			in, _ := randomInputs(m)
			names := inputNames(m)
			for _, set := range [][]string{names, names[:1]} {
				if why, err := liftedRuns(t, m, set, in, 0); err != nil || why != nil && slices.Equal(set, names[:1]) {
					t.Errorf("points of %v: %v %v", set, why, err)
				}
			}
		})
	}
}

// Relevance of whole graphs at several values of a parameter, for several seeds and
// for several inputs: rules are functions, which are lifted by what they consist of.
func TestLiftOfRelevance(t *testing.T) {
	for i, text := range []string{
		"MatMul if const(1) => gamma($p, $e=0.01)\nuse attnlrp",
		"MatMul if const(1) => alphabeta($p, 0.01)\nMatMul => bilinear($e=0.01)\nuse attnlrp(stabilizer=sign, eps=0.01)",
		"MatMul if const(1) => zbox(low=-9, high=$p, eps=$e=0.01)\nuse cp-lrp(stabilizer=sign, eps=0.01)",
		"MatMul if const(1) => epsilon($p)\nuse attnlrp(absorbed=shared, stabilizer=sign, eps=$e=0.1)",
	} {
		rm, err := rules.Parse("free.rules", text, rules.Standard())
		if err != nil {
			t.Fatal(err)
		}
		for seed := range uint64(12) {
			m := grow(t, 100*uint64(i)+seed, 4+int(seed), append(slices.Clone(allKinds), conserving[0], conserving[0]))
			opt := passes.Options{Rules: rm, Form: passes.Form(seed % 2), Eval: reference.Eval, Targets: []passes.Target{{Output: "y", Seed: true}}}
			if seed%3 == 0 {
				opt.Supports = gorgonia.New().Supports // nothing is a function
			}
			if _, err := passes.Default().Run(t.Context(), m, opt, passes.Driver{}); err != nil {
				t.Fatal(err)
			}
			in, _ := randomInputs(m)
			for _, v := range m.Graph.Inputs {
				if strings.HasPrefix(v.Name, "$") {
					in[v.Name] = ir.Of([]float32{0.3})
				}
			}
			all := inputNames(m)
			sets := [][]string{all}
			for k := range all {
				sets = append(sets, all[k:k+1])
			}
			for _, set := range sets {
				why, err := liftedRuns(t, m, set, in, 1e-9) // denominators near 0 make rounding large
				if why != nil || err != nil {
					t.Errorf("%s, graph %d, points of %v: %v %v", text, seed, set, why, err)
				}
			}
		}
	}
}

// What Lift refuses it says the place of, and the model stays as it was.
func TestLiftRefuses(t *testing.T) {
	m, err := ir.Parse(`g (float[2,3] x, float[2,3] y) => (z) {
  [who] i = NonZero (x)
  z = GatherND (y, i)
}`, ops.Standard())
	if err != nil {
		t.Fatal(err)
	}
	text := m.Text()
	_, _, err = passes.Lift(m, []string{"x"}, ir.N(3))
	if err == nil || !strings.Contains(err.Error(), "who (NonZero): it does not take several points at once") {
		t.Errorf("error %v, want one that names the node", err)
	}
	if _, _, err := passes.Lift(m, []string{"w"}, ir.N(3)); err == nil {
		t.Error("an input that is not there: no error")
	}
	lifted, outputs, err := passes.Lift(m, []string{"y"}, ir.N(3))
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff([]string{"z"}, outputs); d != "" {
		t.Error(d)
	}
	if got := lifted.Graph.Inputs[1].Type.String(); got != "float[3,2,3]" {
		t.Errorf("y is %s at three points", got)
	}
	if m.Text() != text {
		t.Error("the model itself changed")
	}
}

// A weight on the right of a product has no points: the product stays one, over the
// rows of all points.
func TestLiftKeepsWeights(t *testing.T) {
	m, err := ir.Parse(`g (float[1,2,3] x, float a) => (y) <float[3,4] w = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12}> {
  u = Relu (w)
  s = Mul (x, a)
  y = MatMul (s, u)
}`, ops.Standard())
	if err != nil {
		t.Fatal(err)
	}
	lifted, _, err := passes.Lift(m, []string{"a"}, ir.N(5))
	if err != nil {
		t.Fatal(err)
	}
	if got := lifted.Graph.Find("y").Def.In[1].Name; got != "u" {
		t.Errorf("the product reads %s, want u itself", got)
	}
	if got := lifted.Graph.Find("u").Type.String(); got != "float[3,4]" {
		t.Errorf("u is %s", got)
	}
}

func inputNames(m *ir.Model) []string { return valueNames(m.Graph.Inputs) }

// stackable reports whether m has inputs, and no elements that share a byte.
func stackable(m *ir.Model) bool {
	for v := range m.Graph.Values() {
		if bits := v.Type.Elem.Bits(); bits > 0 && bits < 8 {
			return false
		}
	}
	return len(m.Graph.Inputs) > 0
}

// Of tensors of unknown rank Lift may refuse anything, with a reason.
func TestLiftOfUnknownRanks(t *testing.T) {
	backendtest.Each(t, func(name string, m *ir.Model, _ map[string]*ir.Tensor) {
		if !stackable(m) {
			return
		}
		for _, some := range []bool{true, false} {
			for i, v := range m.Graph.Inputs {
				if some && i%2 == 1 {
					continue
				}
				v.Type.Shape, v.Known = nil, nil
			}
			for n := range m.Graph.Nodes() {
				for _, v := range n.Out {
					if v != nil {
						v.Type.Shape, v.Known = nil, nil
					}
				}
				_ = m.Reinfer(n)
			}
			if lifted, _, err := passes.Lift(m, inputNames(m), ir.Sym("points")); (lifted == nil) == (err == nil) {
				t.Errorf("%s: model %v and error %v", name, lifted != nil, err)
			}
		}
	})
}

// symbols makes the dimensions of m's inputs unknown before a run.
func symbols(m *ir.Model) bool {
	for _, v := range m.Graph.Inputs {
		v.Type.Shape = slices.Clone(v.Type.Shape)
		for a, d := range v.Type.Shape {
			n, _ := d.Num()
			v.Type.Shape[a] = ir.Sym(fmt.Sprintf("d%d", n)) // equal lengths have equal names
		}
	}
	for n := range m.Graph.Nodes() {
		for _, v := range n.Out {
			if v != nil {
				v.Type.Shape, v.Known = nil, nil
			}
		}
		if err := m.Reinfer(n); err != nil {
			return false
		}
	}
	return true
}

// liftedRuns compares a lifted model with runs of the model. Why says why it
// cannot be lifted.
func liftedRuns(t *testing.T, m *ir.Model, names []string, in map[string]*ir.Tensor, limit float64) (why, err error) {
	t.Helper()
	lifted, has, why := passes.Lift(m, names, ir.Sym("points"))
	if why != nil {
		return why, nil
	}
	b := reference.NewDouble()
	stacked := maps.Clone(in)
	var want []map[string]*ir.Tensor
	parts := map[string][]*ir.Tensor{}
	for k := range points {
		each := maps.Clone(in)
		for _, name := range names {
			each[name] = rolled(in[name], k)
		}
		out, err := backend.Run(t.Context(), b, m, backend.Options{}, each)
		if err != nil && k > 0 { // indices of different axes cannot change places
			each, out = in, want[0]
		} else if err != nil {
			return nil, err
		}
		want = append(want, out)
		for _, name := range names {
			parts[name] = append(parts[name], each[name])
		}
	}
	for _, name := range names {
		stacked[name] = stack(parts[name])
	}
	got, err := backend.Run(t.Context(), b, lifted, backend.Options{}, stacked)
	if err != nil {
		return nil, fmt.Errorf("%w\n%s", err, lifted.Text())
	}
	for k := range points {
		for _, v := range m.Graph.Outputs {
			g := got[v.Name]
			if slices.Contains(has, v.Name) {
				g = pointOf(g, k)
			}
			if err := equalTensors(g, want[k][v.Name], limit); err != nil {
				return nil, fmt.Errorf("point %d: %s: %w\n%s", k, v, err, lifted.Text())
			}
		}
	}
	return nil, nil
}

// rolled moves the elements of x by k places: other numbers of the same kind. What
// is no floating point number, and may be an index, stays in its row.
func rolled(x *ir.Tensor, k int) *ir.Tensor {
	n := x.Len()
	switch {
	case n == 1 && x.Elem == ir.Float:
		f, _ := x.Item()
		return ir.Of([]float32{float32(f) * (1 - float32(k)/8)}, x.Shape...)
	case n == 0 || len(x.Shape) == 0:
		return x
	case !x.Elem.IsFloat():
		n = x.Shape[0]
	}
	y, cut := *x, k%n*len(x.Raw)/n
	y.Raw = slices.Concat(x.Raw[cut:], x.Raw[:cut])
	cut = k % n * len(x.Strs) / n
	y.Strs = slices.Concat(x.Strs[cut:], x.Strs[:cut])
	return &y
}

func stack(parts []*ir.Tensor) *ir.Tensor {
	s := &ir.Tensor{Elem: parts[0].Elem, Shape: append([]int{len(parts)}, parts[0].Shape...)}
	for _, p := range parts {
		s.Raw = append(s.Raw, p.Raw...)
		s.Strs = append(s.Strs, p.Strs...)
	}
	return s
}

func pointOf(x *ir.Tensor, k int) *ir.Tensor {
	if len(x.Shape) == 0 || x.Shape[0] != points {
		return &ir.Tensor{Elem: x.Elem, Shape: append([]int{-1}, x.Shape...)}
	}
	y := &ir.Tensor{Elem: x.Elem, Shape: x.Shape[1:]}
	if x.Elem == ir.String {
		n := len(x.Strs) / points
		y.Strs = x.Strs[k*n : (k+1)*n]
		return y
	}
	n := len(x.Raw) / points
	y.Raw = x.Raw[k*n : (k+1)*n]
	return y
}

// equalTensors compares numbers up to a share of the largest, and of 1.
func equalTensors(got, want *ir.Tensor, limit float64) error {
	switch {
	case got == nil:
		return fmt.Errorf("it is missing")
	case got.Elem != want.Elem || !slices.Equal(got.Shape, want.Shape):
		return fmt.Errorf("it is %s, want %s", got.TypeOf(), want.TypeOf())
	case want.Elem == ir.String:
		if !slices.Equal(got.Strs, want.Strs) {
			return fmt.Errorf("got %q, want %q", got.Strs, want.Strs)
		}
		return nil
	case strings.HasPrefix(want.Elem.String(), "complex"):
		return nil
	}
	g, err := got.Float64s()
	if err != nil {
		return err
	}
	w, err := want.Float64s()
	if err != nil {
		return err
	}
	largest := 1.0
	for _, x := range w {
		if !math.IsInf(x, 0) && !math.IsNaN(x) {
			largest = max(largest, math.Abs(x))
		}
	}
	for i := range w {
		if g[i] != w[i] && !(math.IsNaN(g[i]) && math.IsNaN(w[i])) && !(math.Abs(g[i]-w[i]) <= limit*largest) {
			return fmt.Errorf("element %d is %v, want %v", i, g[i], w[i])
		}
	}
	return nil
}

package gorgonia

import (
	"context"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/lxtc/lxtc/backend"
	"github.com/lxtc/lxtc/ir"
)

// sameFused runs a model with and without fused steps, on several numbers of threads,
// and fails if a bit of an output differs, the sign of zeros apart. It returns how
// many steps the nodes were fused into.
func sameFused(t *testing.T, m *ir.Model, in tensors) (steps int) {
	t.Helper()
	want := bitsOf(t, engine{strict: true, plain: true}, m, in, 1)
	for _, threads := range []int{1, 3} {
		got := bitsOf(t, engine{strict: true}, m, in, threads)
		for name, w := range want {
			for i := range w {
				g := got[name][i]
				if g != w[i] && !(g != g && w[i] != w[i]) {
					t.Fatalf("%s[%d] is %g with fused steps and %d threads, %g without", name, i, g, threads, w[i])
				}
			}
		}
	}
	p, err := engine{}.Compile(m, backend.Options{})
	if err != nil {
		t.Fatal(err)
	}
	for _, pl := range p.(*program).plans {
		steps += len(pl.steps)
	}
	return steps
}

func bitsOf(t *testing.T, e engine, m *ir.Model, in tensors, threads int) map[string][]float32 {
	t.Helper()
	s, err := backend.Open(e, m, backend.Options{Threads: threads})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	var bits map[string][]float32
	for range 2 { // the second run finds used memory
		out, err := s.Run(context.Background(), in)
		if err != nil {
			t.Fatal(err)
		}
		bits = map[string][]float32{}
		for name, v := range out {
			if bits[name], err = v.Float32s(); err != nil {
				t.Fatal(err)
			}
		}
	}
	return bits
}

// attention is an attention with its relevance by AttnLRP in gradient form, as
// rewriting spells it.
const attention = `g (float[B,H,S,D] q, float[B,H,S,D] k, float[B,H,S,D] v, float[B,1,S,S] mask, float[B,H,S,D] r) => (o, dv, dq, dk)
<float c = {0.125}, float half = {0.5}, int64[1] last = {-1}> {
  kt = Transpose <perm = [0, 1, 3, 2]> (k)
  s = MatMul (q, kt)
  sc = Mul (s, c)
  sm = Add (sc, mask)
  p = Softmax (sm)
  o = MatMul (p, v)
  vt = Transpose <perm = [0, 1, 3, 2]> (v)
  dp = MatMul (r, vt)
  pt = Transpose <perm = [0, 1, 3, 2]> (p)
  dv1 = MatMul (pt, r)
  dph = Mul (dp, half)
  dv = Mul (dv1, half)
  x = Mul (dph, p)
  sum = ReduceSum (x, last)
  d = Sub (dph, sum)
  ds1 = Mul (p, d)
  ds2 = Identity (ds1)
  ds = Mul (ds2, c)
  dq1 = MatMul (ds, k)
  qt = Transpose <perm = [0, 1, 3, 2]> (q)
  dkt = MatMul (qt, ds)
  dq = Mul (dq1, half)
  dk1 = Mul (dkt, half)
  dk = Transpose <perm = [0, 1, 3, 2]> (dk1)
}`

var (
	inf    = float32(math.Inf(1))
	lowest = float32(-math.MaxFloat32)
)

// masks are what may be added to the scores of a query i and a key j.
var masks = map[string]func(b, i, j int) float32{
	"none":                  func(b, i, j int) float32 { return 0 },
	"causal":                func(b, i, j int) float32 { return pick(j <= i, 0, -inf) },
	"causal, finite":        func(b, i, j int) float32 { return pick(j <= i, 0, lowest) },
	"causal, -10000":        func(b, i, j int) float32 { return pick(j <= i, 0, -1e4) },
	"too weak":              func(b, i, j int) float32 { return pick(j <= i, 0, -20) },
	"window":                func(b, i, j int) float32 { return pick(j <= i && j > i-20, 0, -inf) },
	"padding right":         func(b, i, j int) float32 { return pick(j < 100-50*b, 0, lowest) },
	"padding left":          func(b, i, j int) float32 { return pick(j <= i && j >= 40*b, 0, lowest) },
	"rows of nothing":       func(b, i, j int) float32 { return pick(j <= i && i%7 != 3, 0, -inf) },
	"rows of the lowest":    func(b, i, j int) float32 { return pick(j <= i && i%7 != 3, 0, lowest) },
	"a bias besides":        func(b, i, j int) float32 { return pick(j <= i, float32(j-i)/8, -inf) },
	"a NaN":                 func(b, i, j int) float32 { return pick(j <= i, pick(i == 60 && j == 5, inf-inf, 0), -inf) },
	"a masked NaN":          func(b, i, j int) float32 { return pick(j <= i, 0, pick(i == 60 && j == 70, inf-inf, -inf)) },
	"an infinity":           func(b, i, j int) float32 { return pick(j <= i, pick(i == 60 && j == 5, inf, 0), -inf) },
	"every second":          func(b, i, j int) float32 { return pick(j%2 == 0, 0, -inf) },
	"nothing anywhere":      func(b, i, j int) float32 { return -inf },
	"only the first column": func(b, i, j int) float32 { return pick(j == 0, 0, -inf) },
}

func pick(cond bool, yes, no float32) float32 {
	if cond {
		return yes
	}
	return no
}

// attentionInputs are of two batch rows and two heads of 150 tokens.
func attentionInputs(mask func(b, i, j int) float32) tensors {
	const batch, heads, tokens, width = 2, 2, 150, 16
	r := rand.New(rand.NewPCG(8, 9))
	in := tensors{}
	for _, name := range []string{"q", "k", "v", "r"} {
		x := make([]float32, batch*heads*tokens*width)
		for i := range x {
			x[i] = float32(r.NormFloat64()) * 2
		}
		in[name] = ir.Of(x, batch, heads, tokens, width)
	}
	m := make([]float32, batch*tokens*tokens)
	for at := range m {
		m[at] = mask(at/tokens/tokens, at/tokens%tokens, at%tokens)
	}
	in["mask"] = ir.Of(m, batch, 1, tokens, tokens)
	return in
}

// TestMaskedAttention says that leaving out what a mask makes 0 changes nothing,
// whatever the mask.
func TestMaskedAttention(t *testing.T) {
	m := parsed(t, attention)
	for name, mask := range masks {
		t.Run(name, func(t *testing.T) {
			if steps := sameFused(t, m, attentionInputs(mask)); steps != 14 {
				t.Errorf("%d steps, want 14", steps)
			}
		})
	}
}

// TestMaskedAttentionWithExtremes says the same of operands for which 0 times
// something is a NaN, or a mask is not strong enough.
func TestMaskedAttentionWithExtremes(t *testing.T) {
	m := parsed(t, attention)
	for _, name := range []string{"q", "k", "v", "r"} {
		for _, x := range []float32{inf, inf - inf, lowest, 1e20, 3e38} {
			for _, at := range []int{3, 70, 149} {
				t.Run(fmt.Sprintf("%s has %g at %d", name, x, at), func(t *testing.T) {
					in := attentionInputs(masks["causal, finite"])
					values, err := in[name].Float32s()
					if err != nil {
						t.Fatal(err)
					}
					values = slices.Clone(values)
					values[at*16+2] = x
					in[name] = ir.Of(values, in[name].Shape...)
					sameFused(t, m, in)
				})
			}
		}
	}
}

// TestSumsThatOverflow says that a row whose sum is infinite has NaNs where its weights
// are 0, though those columns are not computed, and that the rows around it have none,
// also where the result does not lie over the weights.
func TestSumsThatOverflow(t *testing.T) {
	for _, outputs := range []string{"o, dk", "o, dk, ds, w"} {
		sumsThatOverflow(t, outputs)
	}
}

func sumsThatOverflow(t *testing.T, outputs string) {
	m := parsed(t, `g (float[B,H,S,D] k, float[B,H,S,D] v, float[B,1,S,S] mask, float[B,H,S,D] r, float[B,H,S,1] size) => (`+outputs+`)
<int64[1] last = {-1}> {
  e = Exp (mask)
  turned = Mul (e, size)
  w = Neg (turned)
  o = MatMul (w, v)
  vt = Transpose <perm = [0, 1, 3, 2]> (v)
  dp = MatMul (r, vt)
  x = Mul (dp, w)
  sum = ReduceSum (x, last)
  d = Sub (dp, sum)
  ds = Mul (w, d)
  dst = Transpose <perm = [0, 1, 3, 2]> (ds)
  dk = MatMul (dst, k)
}`)
	in := attentionInputs(masks["causal"])
	delete(in, "q")
	sizes := make([]float32, 2*2*150)
	repeat(sizes, 1)
	sizes[61], sizes[200] = 2e38, -inf
	in["size"] = ir.Of(sizes, 2, 2, 150, 1)
	sameFused(t, m, in)
}

// TestMaskedPartIsSkipped says that the bands of a causal mask are found and used:
// without that, every test of equality would pass as well.
func TestMaskedPartIsSkipped(t *testing.T) {
	s := open(t, parsed(t, attention), backend.Options{})
	banded, narrow := 0, 0
	for i := range s.plans[0].steps {
		st := &s.plans[0].steps[i]
		old := st.run
		st.run = func(c *call) ([]*Value, error) {
			for _, v := range c.in {
				if v != nil && v.bands != nil && c.n.Op.Name == "MatMul" {
					banded++
				}
			}
			outs, err := old(c)
			if st.nodes > 1 && outs[0].bands != nil {
				narrow++
			}
			return outs, err
		}
	}
	if _, err := s.Run(context.Background(), attentionInputs(masks["causal"])); err != nil {
		t.Fatal(err)
	}
	if banded != 4 || narrow != 2 {
		t.Errorf("%d products had an operand with bands, want 4; %d fused steps made some, want 2", banded, narrow)
	}
}

// TestFusedSteps compares random graphs of rowwise operators, and others between them,
// fused and not.
func TestFusedSteps(t *testing.T) {
	fused := 0
	for seed := range uint64(60) {
		text, nodes := randomRows(rand.New(rand.NewPCG(seed, 1)))
		m := parsed(t, text)
		r := rand.New(rand.NewPCG(seed, 2))
		in := tensors{}
		for _, v := range m.Graph.Inputs {
			shape := make([]int, v.Type.Rank())
			for i, d := range v.Type.Shape {
				n, ok := d.Num()
				if !ok {
					n = map[string]int64{"B": 2, "H": 3, "S": 90}[d.Sym]
				}
				shape[i] = int(n)
			}
			x := make([]float32, count(shape))
			for i := range x {
				x[i] = float32(r.NormFloat64())
			}
			in[v.Name] = ir.Of(x, shape...)
		}
		t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) {
			defer func() {
				if t.Failed() {
					t.Log(text)
				}
			}()
			fused += nodes - sameFused(t, m, in)
		})
	}
	if fused < 300 {
		t.Errorf("%d nodes went into others' steps, want at least 300", fused)
	}
}

// randomRows is a graph of random operators over values of shape [B,H,S,64].
func randomRows(r *rand.Rand) (text string, nodes int) {
	var b strings.Builder
	full := []string{"x1", "y1", "z1"} // not the inputs, which nobody may write over
	read := map[string]bool{}
	pickFrom := func(vs []string) string {
		v := vs[max(0, len(vs)-6)+r.IntN(min(len(vs), 6))]
		read[v] = true
		return v
	}
	add := func(format string, args ...any) string {
		name := fmt.Sprintf("t%d", nodes)
		nodes++
		fmt.Fprintf(&b, "  "+format+"\n", append([]any{name}, args...)...)
		return name
	}
	for range 24 {
		v := pickFrom(full)
		var made string
		switch r.IntN(22) {
		case 0, 1:
			made = add("%s = %s (%s, %s)", []string{"Add", "Sub", "Mul", "Max"}[r.IntN(4)], v, pickFrom(full))
		case 2, 3:
			made = add("%s = %s (%s)", []string{"Neg", "Sigmoid", "Swish", "Tanh", "Abs", "Gelu", "Relu"}[r.IntN(7)], v)
		case 4:
			made = add("%s = Mul (%s, c)", v)
		case 5:
			made = add("%s = Mul (%s, table)", v)
		case 6:
			made = add("%s = Add (row, %s)", v)
		case 7:
			made = add("%s = Softmax (%s)", v)
		case 8:
			sum := add("%s = ReduceSum <keepdims = 1> (%s, last)", v)
			made = add("%s = Sub (%s, %s)", v, sum)
		case 9:
			made = add("%s = RMSNormalization <axis = -1> (%s, row)", v)
		case 10:
			left := add("%s = Slice (%s, zero, mid, last)", v)
			right := add("%s = Slice (%s, mid, end, last)", v)
			turned := add("%s = Neg (%s)", right)
			made = add("%s = Concat <axis = -1> (%s, %s)", turned, left)
		case 11:
			left := add("%s = Slice (%s, zero, mid, last)", v)
			made = add("%s = Pad (%s, pads)", left)
		case 12:
			made = add("%s = Identity (%s)", v)
		case 13:
			made = add("%s = MatMul (%s, w)", v)
		case 14:
			made = add("%s = Where (few, %s, %s)", v, pickFrom(full))
		case 15:
			made = add("%s = Mul (%s, channel)", v)
		case 16:
			positive := add("%s = Greater (%s, c)", v)
			made = add("%s = Where (%s, %s, c)", positive, pickFrom(full))
		case 17:
			made = add("%s = Div (%s, %s)", v, pickFrom(full))
		case 18:
			made = add("%s = Clip (%s, low, c)", v)
		case 19:
			mean := add("%s = ReduceMean <keepdims = 1> (%s, last)", v)
			made = add("%s = Div (%s, %s)", v, mean)
		case 20:
			left := add("%s, right"+fmt.Sprint(nodes)+" = Split <axis = -1, num_outputs = 2> (%s)", v)
			made = add("%s = Concat <axis = -1> (right%s, %s)", left[1:], left)
		default:
			turned := add("%s = Transpose <perm = [0, 1, 3, 2]> (%s)", v)
			made = add("%s = Transpose <perm = [0, 1, 3, 2]> (%s)", turned)
		}
		full = append(full, made)
	}
	var outs []string
	for _, v := range full[3:] {
		if !read[v] || r.IntN(4) == 0 {
			outs = append(outs, v)
		}
	}
	w := make([]string, 64*64)
	for i := range w {
		w[i] = fmt.Sprintf("%.3f", r.NormFloat64()/8)
	}
	return fmt.Sprintf(`g (float[B,H,S,64] x, float[B,H,S,64] y, float[B,H,S,64] z, float[1,1,S,64] table, float[64] row, float[H,1,1] channel) => (%s)
<float c = {0.3}, float low = {-0.5}, int64[1] last = {-1}, int64[1] zero = {0}, int64[1] mid = {32}, int64[1] end = {64},
 int64[8] pads = {0, 0, 0, 0, 0, 0, 0, 32}, bool[64] few = {%s}, float[64,64] w = {%s}> {
  x1 = Cos (x)
  y1 = Cos (y)
  z1 = Cos (z)
%s}`, strings.Join(outs, ", "), strings.TrimSuffix(strings.Repeat("1, 0, 1, 1, ", 16), ", "), strings.Join(w, ", "), b.String()), nodes
}

// A result that is only another name for an operand is read when its block is done:
// nothing may have been written over the operand by then.
func TestFusedResultThatIsAnOperand(t *testing.T) {
	m := parsed(t, `g (float[B,H,S,64] x) => (float[B,H,S,64] same, float[B,H,S,64] y)
<float c = {0.3}> {
  t = Cos (x)
  same = Identity (t)
  n = Neg (same)
  y = Mul (n, c)
}`)
	x := make([]float32, 2*3*90*64)
	for i := range x {
		x[i] = float32(i % 11)
	}
	if steps := sameFused(t, m, tensors{"x": ir.Of(x, 2, 3, 90, 64)}); steps != 2 {
		t.Errorf("%d steps, want Cos and the rest", steps)
	}
}

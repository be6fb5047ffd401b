package gorgonia

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/lxtc/lxtc/ir"
)

// FuzzFusedGraphs compares random graphs, of operands of several ranks and in several
// ways broadcast, sliced and transposed, and of attentions under random masks, fused
// and not.
func FuzzFusedGraphs(f *testing.F) {
	for seed := range uint64(40) {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, seed uint64) {
		g := newRandomGraph(rand.New(rand.NewPCG(seed, 3)))
		text := g.text()
		defer func() {
			if t.Failed() {
				t.Log(text)
			}
		}()
		sameFused(t, parsed(t, text), g.inputs())
	})
}

// randomGraph is a graph of operators over values of one shape.
type randomGraph struct {
	*rand.Rand
	lead  []int
	width int
	full  []string // values of shape lead, width
	read  map[string]bool
	body  strings.Builder
	names int
}

func newRandomGraph(r *rand.Rand) *randomGraph {
	leads := [][]int{{180}, {3, 70}, {2, 3, 40}, {2, 1, 2, 45}, {1, 1, 97}, {4, 1, 33}}
	g := &randomGraph{Rand: r, lead: leads[r.IntN(len(leads))], width: []int{32, 33, 64}[r.IntN(3)], read: map[string]bool{}}
	g.full = []string{"x", "y", "view", "turned", "spread"}
	for range 20 {
		g.full = append(g.full, g.step())
	}
	return g
}

// operand picks a value, a late one rather.
func (g *randomGraph) operand() string {
	v := g.full[max(0, len(g.full)-1-g.IntN(min(len(g.full), 7)))]
	if g.IntN(6) == 0 {
		v = g.full[g.IntN(len(g.full))]
	}
	g.read[v] = true
	return v
}

// add adds a node.
func (g *randomGraph) add(format string, args ...any) string {
	name := fmt.Sprint("t", g.names)
	g.names++
	fmt.Fprintf(&g.body, "  %s = %s\n", name, fmt.Sprintf(format, args...))
	return name
}

// narrow picks what is broadcast to the others.
func (g *randomGraph) narrow() string {
	return []string{"row", "column", "number", "single", "table", "ones"}[g.IntN(6)]
}

func (g *randomGraph) step() string {
	v := g.operand()
	switch g.IntN(19) {
	case 0, 1:
		return g.add("%s (%s, %s)", []string{"Add", "Sub", "Mul", "Div", "Max", "Min"}[g.IntN(6)], v, g.operand())
	case 2, 3:
		return g.add("%s (%s)", []string{"Neg", "Sigmoid", "Swish", "Tanh", "Abs", "Exp", "Relu", "Reciprocal", "Erf"}[g.IntN(9)], v)
	case 4:
		return g.add("%s (%s, %s)", []string{"Add", "Mul", "Max"}[g.IntN(3)], v, g.narrow())
	case 5:
		return g.add("%s (%s, %s)", []string{"Sub", "Div"}[g.IntN(2)], g.narrow(), v)
	case 6:
		return g.add("%s (%s, %s, %s)", []string{"Max", "Min"}[g.IntN(2)], v, g.operand(), g.operand())
	case 7:
		less := g.add("Less (%s, %s)", v, g.operand())
		return g.add("Where (%s, %s, %s)", less, g.operand(), g.operand())
	case 8:
		less := g.add("Less (%s, number)", g.narrow())
		return g.add("Where (%s, %s, %s)", less, g.operand(), g.operand())
	case 9:
		return g.add("Softmax (%s)", v)
	case 10:
		sum := g.add("%s <keepdims = 1> (%s, last)", []string{"ReduceSum", "ReduceMax", "ReduceMean", "ReduceMin"}[g.IntN(4)], v)
		return g.add("%s (%s, %s)", []string{"Sub", "Div", "Mul"}[g.IntN(3)], v, sum)
	case 11:
		return g.add("RMSNormalization <axis = -1> (%s, row)", v)
	case 12:
		left := g.add("Slice (%s, zero, mid, last)", v)
		right := g.add("Slice (%s, mid, end, last)", v)
		g.read[left] = true
		if g.IntN(2) == 0 {
			right = g.add("Neg (%s)", right)
		}
		if g.IntN(2) == 0 {
			left = g.add("Identity (%s)", left)
		}
		return g.add("Concat <axis = -1> (%s, %s)", right, left)
	case 13:
		return g.add("Identity (%s)", v)
	case 14:
		other := fmt.Sprint("right", g.names)
		left := fmt.Sprint("left", g.names)
		fmt.Fprintf(&g.body, "  %s, %s = Split <axis = -1> (%s, parts)\n", left, other, v)
		if g.IntN(2) == 0 {
			other = g.add("Abs (%s)", other)
		}
		return g.add("Concat <axis = -1> (%s, %s)", other, left)
	case 15:
		return g.add("MatMul (%s, w)", v)
	case 16:
		half := g.add("Slice (%s, zero, end, last, two)", v)
		return g.add("Pad (%s, pads, number)", half)
	case 17:
		return g.add("Clip (%s, low, number)", v)
	}
	if len(g.lead) == 1 {
		return g.add("Gelu (%s)", v)
	}
	return g.add("Add (%s, number)", g.attention(v, g.operand())) // no zeros, whose sign may be another
}

// attention is scores, a mask, weights and a product with them, perhaps with what
// the gradient makes of them.
func (g *randomGraph) attention(q, k string) string {
	rank := len(g.lead) + 1
	perm := make([]string, rank)
	for i := range perm {
		perm[i] = fmt.Sprint(i)
	}
	perm[rank-2], perm[rank-1] = perm[rank-1], perm[rank-2]
	turn := func(v string) string {
		return g.add("Transpose <perm = [%s]> (%s)", strings.Join(perm, ", "), v)
	}
	s := g.add("MatMul (%s, %s)", q, turn(k))
	if g.IntN(2) == 0 {
		s = g.add("%s (%s, %s)", []string{"Mul", "Div"}[g.IntN(2)], s, []string{"eighth", "low"}[g.IntN(2)])
	}
	mask := []string{"mask", "rowMask", "ownMask"}[g.IntN(3)]
	if g.IntN(2) == 0 {
		s = g.add("Add (%s, %s)", s, mask)
	} else {
		s = g.add("Add (%s, %s)", mask, s)
	}
	p := g.add("Softmax (%s)", s)
	if g.IntN(3) == 0 {
		p = g.add("Mul (%s, drop)", p)
	}
	if g.IntN(3) == 0 {
		p = g.add("Mul (%s, eighth)", p)
	}
	o := g.add("MatMul (%s, %s)", p, g.operand())
	if g.IntN(2) == 0 {
		return o
	}
	dp := g.add("MatMul (%s, %s)", o, turn(g.operand()))
	if g.IntN(2) == 0 {
		dp = g.add("Mul (%s, eighth)", dp)
	}
	x := g.add("Mul (%s, %s)", dp, p)
	sum := g.add("ReduceSum <keepdims = 1> (%s, last)", x)
	d := g.add("Sub (%s, %s)", dp, sum)
	ds := g.add("Mul (%s, %s)", p, d)
	if g.IntN(2) == 0 {
		return g.add("MatMul (%s, %s)", ds, k)
	}
	return g.add("MatMul (%s, %s)", turn(ds), q)
}

// text is the graph.
func (g *randomGraph) text() string {
	var outs []string
	for _, v := range g.full[5:] {
		if !g.read[v] || g.IntN(4) == 0 {
			outs = append(outs, v)
		}
	}
	rank := len(g.lead) + 1
	var inputs []string
	for _, in := range g.shapes() {
		dims := make([]string, len(in.shape))
		for i, d := range in.shape {
			dims[i] = fmt.Sprint(d)
			if d == g.lead[rank-2] && d != g.width { // the rest of them are numbers
				dims[i] = "S"
			}
		}
		inputs = append(inputs, fmt.Sprintf("float[%s] %s", strings.Join(dims, ", "), in.name))
	}
	perm, shape := make([]string, rank), make([]string, rank)
	for i := range perm {
		perm[i], shape[i] = fmt.Sprint(i), fmt.Sprint(slices.Concat(g.lead, []int{g.width})[i])
	}
	perm[rank-2], perm[rank-1] = perm[rank-1], perm[rank-2]
	pads := make([]string, 2*rank)
	for i := range pads {
		pads[i] = "0"
	}
	pads[2*rank-1] = fmt.Sprint(g.width / 2) // as a Slice with steps of two needs, whatever is rounded
	return fmt.Sprintf(`g (%s) => (%s)
<float number = {0.3}, float low = {-0.5}, float eighth = {0.125}, float[1] ones = {1.5}, int64[1] last = {-1}, int64[1] zero = {0}, int64[1] mid = {%d},
 int64[1] end = {%d}, int64[1] large = {%d}, int64[1] two = {2}, int64[2] parts = {%d, %d}, int64[%d] pads = {%s}, int64[%d] shape = {%s}> {
  view = Slice (big, mid, large, last)
  turned = Transpose <perm = [%s]> (across)
  spread = Expand (row, shape)
%s}`, strings.Join(inputs, ", "), strings.Join(outs, ", "), g.width/2, g.width, g.width+g.width/2, g.width/2, g.width-g.width/2, 2*rank, strings.Join(pads, ", "),
		rank, strings.Join(shape, ", "), strings.Join(perm, ", "), g.body.String())
}

type namedShape struct {
	name  string
	shape []int
}

func (g *randomGraph) shapes() []namedShape {
	with := func(lead []int, last ...int) []int { return append(slices.Clone(lead), last...) }
	outer, s := g.lead[:len(g.lead)-1], g.lead[len(g.lead)-1]
	own := make([]int, len(g.lead)+1)
	repeat(own, 1)
	single := slices.Clone(own)
	own[len(own)-2], own[len(own)-1] = s, s
	own[0] = g.lead[0]
	single[0] = g.lead[0]
	return []namedShape{
		{"x", with(g.lead, g.width)},
		{"y", with(g.lead, g.width)},
		{"big", with(g.lead, g.width+g.width/2)},
		{"across", with(outer, g.width, s)},
		{"row", []int{g.width}},
		{"column", with(g.lead, 1)},
		{"single", single},
		{"table", []int{s, g.width}},
		{"w", []int{g.width, g.width}},
		{"mask", []int{s, s}},
		{"rowMask", []int{1, s}},
		{"ownMask", own},
		{"drop", with(g.lead, s)},
	}
}

// inputs are random numbers, of very different sizes now and then.
func (g *randomGraph) inputs() tensors {
	in := tensors{}
	for _, v := range g.shapes() {
		x := make([]float32, count(v.shape))
		for i := range x {
			x[i] = float32(g.NormFloat64())
		}
		switch {
		case strings.HasSuffix(strings.ToLower(v.name), "mask"):
			g.mask(x, v.shape[len(v.shape)-1])
		case v.name == "drop":
			for i := range x {
				x[i] = pick(g.IntN(3) == 0 || i%v.shape[len(v.shape)-1] > i/50, 0, 1.25)
			}
		case g.IntN(8) == 0:
			extremes := []float32{inf, -inf, float32(math.NaN()), lowest, 1e19, -1e19, 1e-23, 1e-42, float32(math.Copysign(0, -1))}
			x[g.IntN(len(x))] = extremes[g.IntN(len(extremes))]
		case g.IntN(8) == 0:
			size := []float32{1e-22, 1e-30, 1e10, 1e18, 1e30, 0}[g.IntN(6)]
			for i := range x {
				x[i] *= size
			}
		}
		in[v.name] = ir.Of(x, v.shape...)
	}
	return in
}

// mask fills a mask with rows of n: with 0 up to somewhere, and something low behind.
func (g *randomGraph) mask(x []float32, n int) {
	low := []float32{-inf, lowest, -1e30, -1e9, -1e4, -200, -100, 0}[g.IntN(8)]
	window := []int{n, n / 3, 5}[g.IntN(3)]
	for i := range x {
		row, at := i/n%n, i%n
		if len(x) == n {
			row = n / 2
		}
		x[i] = pick(at <= row && at > row-window, 0, low)
	}
	for range g.IntN(4) {
		others := []float32{inf, float32(math.NaN()), -inf, 1e30, -1e30, 50, lowest}
		x[g.IntN(len(x))] = others[g.IntN(len(others))]
	}
}

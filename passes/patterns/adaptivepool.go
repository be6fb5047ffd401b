package patterns

import (
	"fmt"
	"math"
	"slices"

	"github.com/lxtc/lxtc/ir"
	"github.com/lxtc/lxtc/passes/rewrite"
)

// adaptivePool is average pooling to a size that does not divide the picture's,
// as PyTorch's dynamo exporter takes it apart: the windows are gathered, the
// shorter ones are masked, their elements are added one by one, and the sums are
// divided by how many there are. A rule for poolings could not see one there. It
// becomes windows of one size, in which elements repeat, and an AveragePool.
var adaptivePool = &rewrite.Rule{
	Name:  "adaptive-pool",
	Doc:   "the sums of gathered and masked windows, over their sizes, are AveragePool of windows whose elements repeat",
	Match: adaptivePoolFinder{},
	With: func(b *ir.Builder, m *rewrite.Match) *ir.Value {
		y := m.Get("x")
		var kernel []int64
		for axis, w := range adaptiveWindows(y.Type, m.Root.Out[0].Type) {
			var from []int64
			for _, window := range w.spans() {
				for k := range w.size() {
					from = append(from, int64(window[0]+k*(window[1]-window[0])/w.size()))
				}
			}
			kernel = append(kernel, int64(w.size()))
			y = b.OpA("Gather", ir.Attrs{{Name: "axis", Value: int64(axis + 2)}}, y, b.Ints(from...))
		}
		return b.OpA("AveragePool", ir.Attrs{{Name: "kernel_shape", Value: kernel}, {Name: "strides", Value: kernel}}, y)
	},
}

// maxRepeat is the largest window of repeated elements that is made: 3 and 4
// elements become 12, and more than these are poolings over most of a picture.
const maxRepeat = 64

// windows are those of an adaptive pooling along one axis.
type windows struct{ in, out int }

// spans returns the first position of each window, and that after its last.
func (w windows) spans() [][2]int {
	s := make([][2]int, w.out)
	for i := range s {
		s[i] = [2]int{i * w.in / w.out, ((i+1)*w.in + w.out - 1) / w.out}
	}
	return s
}

// size is the smallest that every window has when each of its elements repeats
// equally often.
func (w windows) size() int {
	size := 1
	for _, s := range w.spans() {
		n := s[1] - s[0]
		a, b := size, n
		for b != 0 {
			a, b = b, a%b
		}
		size = size / a * n
	}
	return size
}

// adaptiveWindows returns the windows along the two axes of pictures; none if
// sizes are not known.
func adaptiveWindows(x, y ir.Type) []windows {
	if x.Rank() != 4 || y.Rank() != 4 {
		return nil
	}
	var ws []windows
	for axis := 2; axis < 4; axis++ {
		in, ok := x.Shape[axis].Num()
		out, ok2 := y.Shape[axis].Num()
		if !ok || !ok2 || in < 1 || out < 1 {
			return nil
		}
		ws = append(ws, windows{int(in), int(out)})
	}
	return ws
}

type adaptivePoolFinder struct{}

func (adaptivePoolFinder) Roots() []string { return []string{"Div"} }

func (adaptivePoolFinder) Size() int { return 7 } // of one sum of two windows

// Match follows the sums back to the GatherND that all their terms come from, and
// computes them for one picture.
func (adaptivePoolFinder) Match(n *ir.Node, _ *ir.OpSet) (*rewrite.Match, *rewrite.Failure) {
	f := &poolFolder{values: map[*ir.Value]*plane{}, nodes: []*ir.Node{n}}
	if n.In[0].Def == nil || n.In[0].Def.Op.String() != "Add" || rewrite.Constant(n.In[1]) == nil {
		return nil, &rewrite.Failure{Reason: "it is no quotient of a sum and a constant"}
	}
	sum, err := f.of(n.In[0])
	if err != nil {
		return nil, &rewrite.Failure{Matched: len(f.nodes), Reason: err.Error()}
	}
	fail := func(format string, args ...any) (*rewrite.Match, *rewrite.Failure) {
		return nil, &rewrite.Failure{Matched: len(f.nodes), Reason: fmt.Sprintf(format, args...)}
	}
	sizes, err := planeOf(n.In[1])
	if err != nil {
		return fail("%v", err)
	}
	got, err := sum.with(sizes, func(a, b float64) float64 { return a / b })
	if err != nil {
		return fail("%v", err)
	}
	ws := adaptiveWindows(f.x.Type, n.Out[0].Type)
	if len(ws) != 2 || len(got.data) != ws[0].out*ws[1].out {
		return fail("%s is %s and %s is %s, which are no pictures of known size", f.x, f.x.Type, n.Out[0], n.Out[0].Type)
	}
	if ws[0].size()*ws[1].size() > maxRepeat*maxRepeat {
		return fail("windows of %s and %s have no small common size", f.x.Type, n.Out[0].Type)
	}
	i := 0
	for _, rows := range ws[0].spans() {
		for _, columns := range ws[1].spans() {
			mean, count := 0.0, 0.0
			for r := rows[0]; r < rows[1]; r++ {
				for c := columns[0]; c < columns[1]; c++ {
					mean, count = mean+pixel(r, c), count+1
				}
			}
			if mean /= count; math.Abs(mean-got.data[i]) > 1e-5 {
				return fail("window %d of %s is %g for pixels whose mean is %g", i, f.x, got.data[i], mean)
			}
			i++
		}
	}
	return rewrite.NewMatch(f.nodes, map[string]*ir.Value{"x": f.x}), nil
}

// pixel is the picture that sums are computed for: no two sums of different
// pixels, weighted by small fractions, are equal.
func pixel(row, column int) float64 {
	return math.Mod(float64(row+1)*math.Sqrt2+float64(column+1)*math.Sqrt(3)+float64((row+1)*(column+1))*math.Pi, 1)
}

// poolFolder computes values for one picture of one channel.
type poolFolder struct {
	x      *ir.Value // where the picture is; nil until it is found
	values map[*ir.Value]*plane
	nodes  []*ir.Node // the root first
}

func (f *poolFolder) of(v *ir.Value) (*plane, error) {
	if p := f.values[v]; p != nil {
		return p, nil
	}
	n := v.Def
	if n == nil || len(f.nodes) > 4096 {
		return nil, fmt.Errorf("%s is no sum of windows", v)
	}
	f.nodes = append(f.nodes, n)
	p, err := f.compute(n)
	if err != nil {
		return nil, err
	}
	f.values[v] = p
	return p, nil
}

func (f *poolFolder) compute(n *ir.Node) (*plane, error) {
	switch n.Op.String() {
	case "Add":
		a, err := f.of(n.In[0])
		if err != nil {
			return nil, err
		}
		b, err := f.of(n.In[1])
		if err != nil {
			return nil, err
		}
		return a.with(b, func(a, b float64) float64 { return a + b })
	case "Where": // masked_fill with 0
		mask, err := planeOf(n.In[0])
		if err != nil {
			return nil, err
		}
		if zero, ok := rewrite.Constant(n.In[1]).Item(); !ok || zero != 0 {
			return nil, fmt.Errorf("%v does not fill with 0", n)
		}
		a, err := f.of(n.In[2])
		if err != nil {
			return nil, err
		}
		return a.with(mask, func(a, masked float64) float64 { return a * (1 - masked) })
	case "Gather": // select
		a, err := f.of(n.In[0])
		if err != nil {
			return nil, err
		}
		i, ok := rewrite.Constant(n.In[1]).Item()
		if !ok || n.Out[0].Type.Rank() != n.In[0].Type.Rank()-1 {
			return nil, fmt.Errorf("%v selects no position", n)
		}
		return a.at(int(n.Attrs.Int("axis", 0)), int(i))
	case "Transpose":
		return f.gathered(n)
	}
	return nil, fmt.Errorf("%v is no part of a pooling", n)
}

// gathered is Transpose (GatherND (Transpose (x), positions)), which is
// x[:, :, rows, columns].
func (f *poolFolder) gathered(n *ir.Node) (*plane, error) {
	g := n.In[0].Def
	if g == nil || g.Op.String() != "GatherND" || g.Attrs.Int("batch_dims", 0) != 0 || g.In[0].Def == nil || g.In[0].Def.Op != n.Op {
		return nil, fmt.Errorf("%v gathers no windows", n)
	}
	t := g.In[0].Def
	if !slices.Equal(t.Attrs.Ints("perm"), []int64{2, 3, 0, 1}) || !slices.Equal(n.Attrs.Ints("perm"), []int64{4, 5, 0, 1, 2, 3}) {
		return nil, fmt.Errorf("%v and %v do not leave the first axes in front", t, n)
	}
	at := rewrite.Constant(g.In[1])
	if f.x != nil || at == nil || len(at.Shape) != 5 || at.Shape[4] != 2 {
		return nil, fmt.Errorf("%v has no constant positions", g)
	}
	ints, err := at.Int64s()
	if err != nil {
		return nil, err
	}
	f.x, f.nodes = t.In[0], append(f.nodes, g, t)
	p := &plane{shape: append([]int{1, 1}, at.Shape[:4]...)}
	for i := 0; i < len(ints); i += 2 {
		p.data = append(p.data, pixel(int(ints[i]), int(ints[i+1])))
	}
	return p, nil
}

// A plane is an array of numbers.
type plane struct {
	shape []int
	data  []float64
}

func planeOf(v *ir.Value) (*plane, error) {
	t := rewrite.Constant(v)
	if t == nil {
		return nil, fmt.Errorf("%s is not constant", v)
	}
	data, err := t.Float64s()
	return &plane{slices.Clone(t.Shape), data}, err
}

// at is the plane at one position of an axis, which is left out.
func (p *plane) at(axis, i int) (*plane, error) {
	if axis < 0 {
		axis += len(p.shape)
	}
	if axis < 0 || axis >= len(p.shape) || i < 0 || i >= p.shape[axis] {
		return nil, fmt.Errorf("there is no position %d on axis %d of %v", i, axis, p.shape)
	}
	inner := 1
	for _, n := range p.shape[axis+1:] {
		inner *= n
	}
	q := &plane{shape: slices.Delete(slices.Clone(p.shape), axis, axis+1)}
	for from := i * inner; from < len(p.data); from += p.shape[axis] * inner {
		q.data = append(q.data, p.data[from:from+inner]...)
	}
	return q, nil
}

// with is op of the elements of p and of q, which is broadcast to p.
func (p *plane) with(q *plane, op func(a, b float64) float64) (*plane, error) {
	lead := len(p.shape) - len(q.shape)
	if lead < 0 {
		return nil, fmt.Errorf("shapes %v and %v", p.shape, q.shape)
	}
	strides, step := make([]int, len(p.shape)), 1
	for i := len(q.shape) - 1; i >= 0; i-- {
		if n := q.shape[i]; n == p.shape[lead+i] {
			strides[lead+i] = step
		} else if n != 1 {
			return nil, fmt.Errorf("shapes %v and %v", p.shape, q.shape)
		}
		step *= q.shape[i]
	}
	r := &plane{shape: p.shape, data: make([]float64, len(p.data))}
	for i, a := range p.data {
		at, rest := 0, i
		for axis := len(p.shape) - 1; axis >= 0; axis-- {
			at += rest % p.shape[axis] * strides[axis]
			rest /= p.shape[axis]
		}
		r.data[i] = op(a, q.data[at])
	}
	return r, nil
}

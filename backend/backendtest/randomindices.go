package backendtest

import "github.com/lxtc/lxtc/ir"

func scatterElements(g *draws) node {
	s := g.full(1, 3)
	a, written := g.axis(len(s))
	idx := append([]int{}, s...)
	for i := range idx {
		idx[i] = g.between(1, s[i])
	}
	as := attrs("axis", int(written), "reduction", pick(g, "add", "add", "mul", "max", "min"))
	ix := g.indices(pick(g, ir.Int64, ir.Int32), s[a], idx...)
	if g.IntN(4) == 0 { // without a reduction each place is written once
		as = attrs("axis", int(written))
		idx[a] = 1
		ix = g.indices(ir.Int64, s[a], idx...)
	}
	return of("ScatterElements", as, g.floats(s...), ix, g.floats(idx...))
}

// tuples draws index tuples into s: their tensor, and the shape of what one
// means.
func (g *draws) tuples(s []int, lead ...int) (*ir.Tensor, []int) {
	k := g.between(1, len(s))
	n := count(lead)
	xs := make([]float64, 0, n*k)
	for range n {
		for j := range k {
			xs = append(xs, float64(g.between(-s[j], s[j]-1)))
		}
	}
	return must(tensorOf(ir.Int64, append(append([]int{}, lead...), k), xs)), s[k:]
}

func scatterND(g *draws) node {
	s := g.full(1, 3)
	lead := g.shape(2)
	as := attrs("reduction", "add")
	if g.IntN(3) == 0 { // one place, written once
		lead, as = []int{1}, nil
	}
	idx, inner := g.tuples(s, lead...)
	return of("ScatterND", as, g.floats(s...), idx, g.floats(append(append([]int{}, lead...), inner...)...))
}

func gatherElements(g *draws) node {
	s := g.full(1, 3)
	a, written := g.axis(len(s))
	idx := append([]int{}, s...)
	for i := range idx {
		idx[i] = g.between(0, s[i])
	}
	idx[a] = g.between(0, 12)
	elem := pick(g, ir.Float, ir.Int64, ir.Bool, ir.BFloat16)
	return of("GatherElements", attrs("axis", int(written)), g.few(elem, s...), g.indices(pick(g, ir.Int64, ir.Int32), s[a], idx...))
}

func gatherND(g *draws) node {
	elem := pick(g, ir.Float, ir.Int32, ir.Float16)
	s, lead := g.full(1, 3), g.shape(2)
	if g.IntN(3) > 0 {
		idx, _ := g.tuples(s, lead...)
		return of("GatherND", nil, g.few(elem, s...), idx)
	}
	batch := pick(g, 1, 2, 3)
	idx, _ := g.tuples(s, append([]int{batch}, lead...)...)
	return of("GatherND", attrs("batch_dims", 1), g.few(elem, append([]int{batch}, s...)...), idx)
}

func topK(g *draws) node {
	s := g.full(1, 3)
	a, written := g.axis(len(s))
	k := int64(g.between(0, s[a]))
	n := of("TopK", attrs("axis", int(written), "largest", g.IntN(2)), g.few(pick(g, ir.Float, ir.Float, ir.Int64), s...), ints(k))
	n.outs = []bool{true, true}
	return n
}

func oneHot(g *draws) node {
	s := g.full(0, 3)
	_, written := g.axis(len(s) + 1)
	elem := pick(g, ir.Float, ir.Int64, ir.Bool)
	return of("OneHot", attrs("axis", int(written)), g.indices(ir.Int64, 6, s...), ir.Of([]int64{5}), g.few(elem, 2))
}

func cumSum(g *draws) node {
	s := g.full(1, 3)
	_, written := g.axis(len(s))
	elem := pick(g, ir.Float, ir.Int64, ir.Int32)
	as := attrs("exclusive", g.IntN(2), "reverse", g.IntN(2))
	return of("CumSum", as, g.few(elem, s...), ir.Of([]int64{written}))
}

func nonZero(g *draws) node {
	return of("NonZero", nil, g.few(pick(g, ir.Float, ir.Int64, ir.Bool), g.shape(3)...))
}

func rangeOf(g *draws) node {
	elem := pick(g, ir.Int64, ir.Int32, ir.Float)
	delta := pick(g, 1, 2, -1, -3)
	return of("Range", nil, g.filled(elem, nil, func() float64 { return float64(g.between(-9, 9)) }),
		g.filled(elem, nil, func() float64 { return float64(g.between(-9, 9)) }), must(tensorOf(elem, []int{}, []float64{float64(delta)})))
}

package backendtest

import "github.com/lxtc/lxtc/ir"

// windows draws the attributes of kernels that move over space, and sizes of
// the axes that have room for them.
func (g *draws) windows(rank, most int) (as ir.Attrs, kernel, space []int) {
	var strides, dilations, pads, ends []int64
	same := g.IntN(4) == 0
	for range rank {
		k, s, d := g.between(1, most), g.between(1, 3), g.between(1, 2)
		kernel = append(kernel, k)
		strides, dilations = append(strides, int64(s)), append(dilations, int64(d))
		pads, ends = append(pads, int64(g.between(0, k-1))), append(ends, int64(g.between(0, k-1)))
		space = append(space, (k-1)*d+g.between(1, 8))
	}
	if g.IntN(3) > 0 {
		as = append(as, attrs("strides", strides)...)
	}
	if g.IntN(3) == 0 {
		as = append(as, attrs("dilations", dilations)...)
	}
	switch {
	case same:
		as = append(as, attrs("auto_pad", pick(g, "SAME_UPPER", "SAME_LOWER", "VALID"))...)
	case g.IntN(3) > 0:
		as = append(as, attrs("pads", append(pads, ends...))...)
	}
	return as, kernel, space
}

// channels draws a number of groups, and of channels in and out for each.
func (g *draws) channels() (groups, in, out int) {
	switch g.IntN(4) {
	case 0: // depthwise
		return g.between(2, 20), 1, 1
	case 1:
		return g.between(2, 3), g.between(1, 3), g.between(1, 3)
	}
	return 1, pick(g, 1, 3, 8), pick(g, 1, 4, 17)
}

func convolution(g *draws) node {
	as, kernel, space := g.windows(pick(g, 1, 2, 2, 2, 3), 3)
	groups, in, out := g.channels()
	as = append(as, attrs("group", groups)...)
	x := append([]int{g.between(1, 2), groups * in}, space...)
	w := append([]int{groups * out, in}, kernel...)
	n := of("Conv", as, g.floats(x...), g.floats(w...))
	if g.IntN(2) == 0 {
		n.in = append(n.in, g.floats(groups*out))
	}
	return n
}

func transposedConvolution(g *draws) node {
	as, kernel, space := g.windows(pick(g, 1, 2, 2, 3), 3)
	for i := range space {
		space[i] = g.between(2, 5)
	}
	if g.IntN(3) == 0 && as.Has("strides") {
		pad := make([]int64, len(kernel))
		for i := range pad {
			pad[i] = int64(g.IntN(int(as.Ints("strides")[i])))
		}
		as = append(as, attrs("output_padding", pad)...)
	}
	groups, in, out := g.channels()
	as = append(as, attrs("group", groups)...)
	x := append([]int{g.between(1, 2), groups * in}, space...)
	w := append([]int{groups * in, out}, kernel...)
	n := of("ConvTranspose", as, g.floats(x...), g.floats(w...))
	if g.IntN(2) == 0 {
		n.in = append(n.in, g.floats(groups*out))
	}
	return n
}

func pool(g *draws) node {
	as, kernel, space := g.windows(pick(g, 1, 2, 2, 2, 3), 3)
	shape := make([]int64, len(kernel))
	for i, k := range kernel {
		shape[i] = int64(k)
	}
	as = append(as, attrs("kernel_shape", shape)...)
	if !as.Has("auto_pad") {
		as = append(as, attrs("ceil_mode", g.IntN(2))...)
	}
	x := append([]int{g.between(1, 2), g.between(1, 5)}, space...)
	if g.IntN(2) == 0 {
		return of("AveragePool", append(as, attrs("count_include_pad", g.IntN(2))...), g.floats(x...))
	}
	n := of("MaxPool", append(as, attrs("storage_order", g.IntN(2))...), g.few(ir.Float, x...))
	if g.IntN(2) == 0 {
		n.outs = append(n.outs, true)
	}
	return n
}

func globalPool(g *draws) node {
	return of(pick(g, "GlobalAveragePool", "GlobalMaxPool"), nil, g.floats(g.full(3, 5)...))
}

package gorgonia

import (
	"math"
	"slices"

	"github.com/lxtc/lxtc/backend/cpu"
	"github.com/lxtc/lxtc/ir"
)

// product is a MatMul whose result only a group of fused nodes reads, and of which
// that group may not want all elements: the scores of an attention where its mask
// makes the weight an exact 0, and the derivative by a weight that is 0.
type product struct {
	n     *ir.Node
	scale []*ir.Node // multiply or divide the result by a number each, before
	mask  *ir.Value  // ... this is added to it and a Softmax taken;
	zeros *ir.Value  // or the product counts only where this is not 0
}

// product returns the product that g can compute in part, nil if there is none.
func (f *fusing) product(g *group) *product {
	for _, n := range g.nodes {
		for _, v := range n.In {
			if !f.ownProduct(g, v) {
				continue
			}
			if p := (&product{n: v.Def}); f.softened(p, g, v) {
				return p
			}
			if p := (&product{n: v.Def}); f.weighted(p, g, v) {
				return p
			}
		}
	}
	return nil
}

// ownProduct reports whether v is rows of a product that only g reads.
func (f *fusing) ownProduct(g *group, v *ir.Value) bool {
	if v == nil || v.Def == nil || v.Def.Op.String() != "MatMul" || fastKernel(v.Def) == nil || !rowed(v, g.lead) {
		return false
	}
	for _, operand := range v.Def.In { // which the group reads as float32s
		if operand.Def != nil && f.kept[operand.Def] != nil {
			return false
		}
	}
	_, here := f.at[v.Def]
	outside := func(u ir.Use) bool { return f.in[u.Node] != g }
	return here && !v.Def.Graph().IsOutput(v) && !slices.ContainsFunc(v.Uses(), outside)
}

// softened follows scores through factors and a mask to their Softmax.
func (f *fusing) softened(p *product, g *group, v *ir.Value) bool {
	for {
		n := f.onlyReader(g, v)
		if n == nil {
			return false
		}
		switch n.Op.Name {
		case "Mul", "Div":
			if _, ok := factor(n, v); !ok {
				return false
			}
			p.scale = append(p.scale, n)
			v = n.Out[0]
		case "Add":
			p.mask = other(n, v)
			end := f.onlyReader(g, n.Out[0])
			if p.mask.Def != nil && f.in[p.mask.Def] == g || end == nil || end.Op.Name != "Softmax" || p.mask.Type.Elem != ir.Float {
				return false
			}
			return true
		default:
			return false
		}
	}
}

// onlyReader returns the only node that reads v, if it is of g and reads it once.
func (f *fusing) onlyReader(g *group, v *ir.Value) *ir.Node {
	uses := v.Uses()
	if len(uses) != 1 || f.in[uses[0].Node] != g || v.Def.Graph().IsOutput(v) {
		return nil
	}
	return uses[0].Node
}

// factor returns the operand of n besides v, if it is a single number and v is what
// is multiplied or divided.
func factor(n *ir.Node, v *ir.Value) (*ir.Value, bool) {
	o := other(n, v)
	if o == nil || n.Op.Name == "Div" && n.In[0] != v {
		return nil, false
	}
	one := ir.Numel(o.Type.Shape)
	return o, o.Type.Shape != nil && one.Is(1) && o.IsConst()
}

// other returns the operand of a node of two that is not v.
func other(n *ir.Node, v *ir.Value) *ir.Value {
	switch {
	case len(n.In) != 2 || n.In[0] == n.In[1]:
		return nil
	case n.In[0] == v:
		return n.In[1]
	}
	return n.In[0]
}

// weighted follows a value to products with weights: every way that it takes ends
// in one with the same.
func (f *fusing) weighted(p *product, g *group, v *ir.Value) bool {
	for _, u := range v.Uses() {
		n := u.Node
		if f.in[n] != g || v.Def.Graph().IsOutput(v) {
			return false
		}
		o := other(n, v)
		switch n.Op.Name {
		case "Mul", "Div":
			if _, ok := factor(n, v); ok {
				p.scale = append(p.scale, n)
				if !f.weighted(p, g, n.Out[0]) {
					return false
				}
				continue
			}
			if n.Op.Name == "Div" || o == nil || !rowed(o, g.lead) || p.zeros != nil && p.zeros != o || o.Def != nil && f.in[o.Def] == g {
				return false
			}
			p.zeros = o
		case "Sub": // of a sum over the row
			if n.In[0] != v || o == nil || !f.weighted(p, g, n.Out[0]) {
				return false
			}
		default:
			return false
		}
	}
	return p.zeros != nil
}

// reads returns what the product and the choice of its part need to be given.
func (p *product) reads() []*ir.Value {
	vs := slices.Clone(p.n.In)
	for _, n := range p.scale {
		for _, v := range n.In {
			if v.IsConst() {
				vs = append(vs, v)
			}
		}
	}
	if p.mask != nil {
		return append(vs, p.mask)
	}
	return append(vs, p.zeros)
}

// A pending is a product that a group's inputs make: what is wanted of it, and how its
// rows are computed.
type pending struct {
	call    *call
	a, b    matrix
	of      [2][]int // where the matrices begin, by leading index
	lead    []int
	m, n, k int
	want    *bands // elsewhere a 0 is as good; nil if all is wanted
}

// start looks at the operands, the group's inputs with the given indices.
func (p *product) start(c *call, at []int) *pending {
	in := make([]*Value, len(at))
	for i, k := range at {
		in[i] = c.in[k]
	}
	sub := &call{session: c.session, n: p.n, in: in[:2], ids: nodeIDs{in: []int{c.ids.in[at[0]], c.ids.in[at[1]]}}}
	return &pending{call: sub, want: p.part(sub, in[0], in[1], in[2:len(in)-1], in[len(in)-1])}
}

// whole computes the product at once, where it is wanted: elsewhere it holds anything.
func (p *pending) whole(c *call) (*Value, error) {
	p.call.want = p.want
	outs, err := matMul(p.call)
	c.made = append(c.made, p.call.made...)
	if err != nil {
		return nil, err
	}
	return outs[0], nil
}

// Bounds of products that are computed a few rows at a time: the packed matrix stays in
// a processor's cache, and many rows use it.
const (
	maxPanels = 256 << 10 // bytes
	minRows   = 48
)

// byRows prepares the product to be computed a few rows at a time, and reports false if
// that does not pay.
func (p *pending) byRows(c *call) bool {
	a, b := p.call.in[0], p.call.in[1]
	ra, rb := len(a.shape), len(b.shape)
	if ra < 2 || rb < 2 || a.stored != nil || b.stored != nil {
		return false
	}
	p.m, p.k, p.n = a.shape[ra-2], a.shape[ra-1], b.shape[rb-1]
	lead, err := broadcastShapes(a.shape[:ra-2], b.shape[:rb-2])
	if err != nil || b.shape[rb-2] != p.k || p.m < minRows || p.n < 2 || p.k < 1 || p.k > cpu.PanelDepth || 4*c.engine.PanelsLen(p.k, p.n) > maxPanels {
		return false
	}
	p.a, p.b, p.lead = c.asMatrix(a), c.asMatrix(b), lead
	p.of = [2][]int{offsets(p.a.v, lead), offsets(p.b.v, lead)}
	return true
}

// shape is that of the product.
func (p *pending) shape() []int { return append(slices.Clone(p.lead), p.m, p.n) }

// pack lays out the right factor of a matrix.
func (p *pending) pack(e *cpu.Engine, matrix int, dst []float32) {
	e.Pack(p.k, p.n, as[float32](&Value{buf: p.b.v.buf})[p.of[1][matrix]:], p.b.ld, p.b.trans, dst)
}

// compute computes some rows and columns of a matrix whose right factor has been packed.
func (p *pending) compute(e *cpu.Engine, at piece, panels []float32, dst cpu.Strip) {
	off := p.of[0][at.outer] + at.from*p.a.ld
	if p.a.trans {
		off = p.of[0][at.outer] + at.from
	}
	e.GemmPanels(at.rows, p.k, at.lo, at.hi, as[float32](&Value{buf: p.a.v.buf})[off:], p.a.ld, p.a.trans, panels, dst.Data, dst.Step)
}

// part returns where the group wants the product, nil if everywhere. Elsewhere a 0 is
// as good as the number that belongs there.
func (p *product) part(c *call, a, b *Value, scale []*Value, by *Value) *bands {
	if len(a.shape) < 3 || a.shape[len(a.shape)-2] == 1 || b.shape[len(b.shape)-1] == 1 || len(a.shape) != len(b.shape) || !slices.Equal(a.shape[:len(a.shape)-2], b.shape[:len(b.shape)-2]) {
		return nil
	}
	if p.zeros != nil && (by.bands == nil || by.bands.trans || !slices.Equal(by.shape[:len(by.shape)-1], a.shape[:len(a.shape)-1])) {
		return nil
	}
	factor := 1.0
	for i, v := range scale {
		x := math.Abs(float64(as[float32](v)[0]))
		if p.scale[i].Op.Name == "Div" {
			x = 1 / x
		}
		if p.zeros != nil { // it may be on one of two ways
			x = max(x, 1)
		}
		factor *= x
	}
	bound := factor * c.bound(a, len(a.shape)-1) * c.bound(b, len(b.shape)-2) // of every element; may be ∞ or a NaN
	switch {
	case p.zeros != nil && bound < 1e30:
		return by.bands // 0 times anything that is finite, as are differences to numbers below 1e38
	case p.mask != nil && bound < 1e30:
		return c.unmasked(by, a.shape[:len(a.shape)-1], b.shape[len(b.shape)-1], float32(bound))
	}
	return nil
}

// bound returns an upper bound for the norms of the lines of v along an axis, one of
// the last two. It is ∞ or a NaN if an element is.
func (c *call) bound(v *Value, axis int) float64 {
	x := lying(v)
	if len(x) == 0 {
		return math.Inf(1)
	}
	n := v.shape[axis]
	if v.stride()[axis] != 1 && n != 1 { // lines lie across: all together are a bound
		n = len(x)
	}
	squares := make([]float32, len(x)/n)
	c.engine.ReduceRows(cpu.SumSquares, len(squares), n, squares, x)
	top := []float32{0}
	c.serial.ReduceRows(cpu.MaxOf, 1, len(squares), top, squares)
	const lost = 0x1p-149 // of a square at most: it has no smaller neighbour than the next
	return 1.001 * math.Sqrt(float64(top[0])+float64(n)*lost)
}

// unmasked returns the part of rows of n elements where a mask, added to numbers of
// at most the given size, does not make e^x of the softmax an exact 0.
func (c *call) unmasked(mask *Value, lead []int, n int, bound float32) *bands {
	if len(mask.shape) == 0 || len(mask.shape) > len(lead)+1 || mask.shape[len(mask.shape)-1] != n || n < shortRow {
		return nil
	}
	index := &Value{elem: ir.Int32, shape: mask.shape[:len(mask.shape)-1]}
	st, err := broadcastStrides(index, lead)
	if err != nil {
		return nil // not the shapes of scores and mask: the addition will say so
	}
	m := c.floats(mask)
	rows := len(m) / n
	of := cpu.Band{Lo: make([]int32, rows), Hi: make([]int32, rows)}
	const some = 64
	c.engine.Run((rows+some-1)/some, func(t int) {
		tops := make([]float32, (n+maskPart-1)/maskPart)
		for i := t * some; i < min(rows, (t+1)*some); i++ {
			of.Lo[i], of.Hi[i] = c.aboveNothing(m[i*n:][:n], tops, bound)
		}
	})
	last := len(lead) - 1
	b := &bands{of: make([]cpu.Band, 0, count(lead[:last]))}
	eachIndex(lead[:last], func(idx []int) {
		at := 0
		for a, k := range idx {
			at += k * st[a]
		}
		b.of = append(b.of, rowsOf(of, at, lead[last], st[last]))
	})
	return b.useful(n)
}

// rowsOf is a band of rows from one on, or of that one as often.
func rowsOf(b cpu.Band, at, rows, step int) cpu.Band {
	if step == 1 {
		return cpu.Band{Lo: b.Lo[at:][:rows], Hi: b.Hi[at:][:rows]}
	}
	return cpu.Band{Lo: slices.Repeat(b.Lo[at:at+1], rows), Hi: slices.Repeat(b.Hi[at:at+1], rows)}
}

// vanishes is how far below a row's maximum e^x is 0 in float32, with room for what
// rounding makes of the difference.
const vanishes = 128

// maskPart is of how many elements of a mask the largest is looked at first.
const maskPart = 32

// aboveNothing returns the part of a row of a mask that counts: from the first to the
// last element that is not so far below the largest that numbers of at most the
// given size cannot make up for it. A row with no finite largest counts whole. tops has
// room for the largest of each part of the row.
func (c *call) aboveNothing(row, tops []float32, bound float32) (lo, hi int32) {
	whole := len(row) / maskPart
	each := cpu.Strip{Data: tops, Step: 1}
	c.serial.ReduceStrips(cpu.MaxOf, whole, maskPart, each, cpu.Strip{Data: row, Step: maskPart})
	if rest := row[whole*maskPart:]; len(rest) > 0 {
		c.serial.ReduceStrips(cpu.MaxOf, 1, len(rest), each.From(whole), cpu.Strip{Data: rest})
	}
	var top [1]float32
	c.serial.ReduceStrips(cpu.MaxOf, 1, len(tops), cpu.Strip{Data: top[:]}, cpu.Strip{Data: tops})
	border := top[0] - 2*bound - vanishes
	border -= 1e-5 * max(border, -border)
	l, h := 0, len(row)
	if border-border != 0 {
		return 0, int32(h)
	}
	for p := len(tops) - 1; p >= 0 && tops[p] < border; p-- {
		h = p * maskPart
	}
	for h > 0 && row[h-1] < border {
		h--
	}
	for p := 0; p < len(tops) && tops[p] < border; p++ {
		l = (p + 1) * maskPart
	}
	for l < h && row[l] < border {
		l++
	}
	return int32(l), int32(h)
}

package gorgonia

import (
	"slices"

	"github.com/lxtc/lxtc/backend/cpu"
	"github.com/lxtc/lxtc/ir"
)

// A home is where the rows of one value of a group lie while a few are computed: in
// an input, in a result, in the thread's own memory, or among the columns of another
// value.
type home struct {
	width int // columns
	out   int // the result that it is, -1 if none
	of    int // the value whose columns it is, from column from on; -1 if none
	from  int
	slot  int // in the thread's memory: times the rows of a piece; -1 if elsewhere
}

// A source is an input of a group as its rows see it: distances are 0 where it is
// broadcast.
type source struct {
	*Value
	lead []int // distance along each leading axis but the last
	row  int   // ... along the last of them
	col  int   // between columns
}

// A rowStep is an operator of a group with what it does to the columns.
type rowStep struct {
	*rowOp
	columns
}

// columns is the part of a row that a Slice takes or a Pad keeps, from a column on,
// and where that goes to.
type columns struct{ from, step, to, kept int }

// layout is the places of the values of a group, for inputs of certain shapes.
type layout struct {
	homes   []home
	sources []source
	weights [][]float32 // by input, of norms
	steps   []rowStep   // without those that only name columns
	slots   int         // elements of the thread's memory for each row
	perRow  int         // bytes of a row of all that is read and written
}

// lay places the values. It reports false if their shapes do not fit together as rows,
// or if there is nothing in them.
func (b *blocks) lay() bool {
	b.homes = make([]home, len(b.uses))
	b.sources, b.weights = make([]source, len(b.in)), make([][]float32, len(b.in))
	for k := range b.homes {
		b.homes[k] = home{out: slices.Index(b.local, k), of: -1, slot: -1}
	}
	for k, v := range b.in {
		if v.buf != nil && (k >= len(b.fixed) || !b.fixed[k]) {
			b.source(k, v)
		}
	}
	s := slots{layout: &b.layout, left: slices.Clone(b.uses), roots: make([]int32, len(b.uses)), free: map[int][]int{}}
	for k := range b.in {
		if b.sources[k].Value != nil && b.gathered(k) {
			s.take(k)
		}
	}
	if k := len(b.in) - 1; b.byRows() {
		b.homes[k].width = b.width()
		s.left[k] -= always
		s.take(k)
	}
	for i := range b.ops {
		op := &b.ops[i]
		st := rowStep{rowOp: op}
		if !b.measureOp(&st) {
			return false
		}
		for _, k := range op.ids.out {
			if b.homes[k].width <= 0 {
				return false
			}
			if b.homes[k].out >= 0 {
				b.perRow += 4 * b.homes[k].width
			}
		}
		if s.place(&st) {
			b.steps = append(b.steps, st)
		}
	}
	b.perRow += 4 * b.slots
	return true
}

// source describes input k.
func (b *blocks) source(k int, v *Value) {
	src := source{Value: v, lead: make([]int, b.rank-2)}
	r, st := len(v.shape), v.stride()
	b.homes[k].width = 1
	if r > 0 {
		b.homes[k].width = v.shape[r-1]
		src.col = st[r-1]
	}
	for a := range max(r-1, 0) {
		at := a + b.rank - r
		switch {
		case v.shape[a] == 1:
		case at == b.rank-2:
			src.row = st[a]
		default:
			src.lead[at] = st[a]
		}
	}
	b.sources[k] = src
	if src.row != 0 {
		b.perRow += b.homes[k].width * size(v.elem)
	}
}

// gathered reports whether the rows of input k have to be copied together: only where
// neighbours lie together can kernels read them.
func (b *blocks) gathered(k int) bool {
	src := b.sources[k]
	return src.elem == ir.Float && (src.col != 1 && b.homes[k].width > 1 || src.row < 0)
}

// measureOp finds the widths of an operator's results, and false if there are none.
func (b *blocks) measureOp(st *rowStep) bool {
	ids, n := st.ids, st.n
	out := &b.homes[ids.out[0]]
	width := func(i int) int { return b.homes[ids.in[i]].width }
	if n.Op.Name == "Clip" {
		out.width = width(0)
		for _, k := range ids.in[1:] {
			if k >= 0 && (k >= len(b.in) || b.in[k].len() != 1) {
				return false
			}
		}
		return true
	}
	if pointwise[n.Op.Name] {
		out.width = 1
		for i := range ids.in {
			w := width(i)
			if w != 1 && out.width != 1 && w != out.width {
				return false
			}
			if w != 1 {
				out.width = w
			}
		}
		return true
	}
	d := width(0)
	switch n.Op.Name {
	case "Softmax":
		out.width = d
	case "RMSNormalization":
		out.width = d
		return b.weightsOf(ids.in[1], d)
	case "Slice":
		starts, ends, step := b.intsOf(ids.in[1]), b.intsOf(ids.in[2]), int64(1)
		if len(ids.in) > 4 && ids.in[4] >= 0 {
			step = b.intsOf(ids.in[4])[0]
		}
		if len(starts) != 1 || len(ends) != 1 || step == 0 {
			return false
		}
		most := int64(max(d, 1)) // a longer step leads out as well, and could overflow
		st.step = int(min(max(step, -most), most))
		st.from, out.width = sliceRange(starts[0], ends[0], st.step, d)
	case "Split":
		return b.splitWidths(st, d)
	case "Concat":
		for i := range ids.in {
			out.width += width(i)
		}
	case "Pad":
		pads := b.intsOf(ids.in[1])
		before, after := pads[b.rank-1], pads[2*b.rank-1]
		if max(before, after) > maxElements || min(before, after) < -maxElements {
			return false
		}
		st.from, st.to = max(-int(before), 0), max(int(before), 0)
		st.kept = max(d-st.from-max(-int(after), 0), 0)
		out.width = d + int(before+after)
	default: // a reduction
		out.width = 1
		return d > 0
	}
	return true
}

func (b *blocks) splitWidths(st *rowStep, d int) bool {
	parts := st.ids.out
	at, part := 0, (d+len(parts)-1)/len(parts)
	var given []int64
	if len(st.ids.in) > 1 && st.ids.in[1] >= 0 {
		if given = b.intsOf(st.ids.in[1]); len(given) != len(parts) {
			return false
		}
	}
	for i, k := range parts {
		w := min(part, d-at)
		if given != nil {
			w = int(given[i])
		}
		if w <= 0 || w > d-at {
			return false
		}
		b.homes[k].width, b.homes[k].from = w, at
		at += w
	}
	return at == d
}

func (b *blocks) intsOf(k int) []int64 { return b.ints(b.in[k]) }

// weightsOf prepares the weights of a norm of n elements.
func (b *blocks) weightsOf(k, n int) bool {
	w, ok := b.perElement(b.in[k], n)
	b.weights[k] = w
	return ok
}

// slots shares a thread's memory among values that do not live at once.
type slots struct {
	*layout
	left  []int32       // reads to come, by value
	roots []int32       // values that live in a slot, by the one that has it
	free  map[int][]int // by width
}

// place finds the places of an operator's results, and reports whether there is
// anything to compute.
func (s *slots) place(st *rowStep) bool {
	early := inPlace(st.n)
	if early {
		s.readAll(st)
	}
	computes := false
	for _, k := range st.ids.out {
		p := &s.homes[k]
		if s.named(st) && p.out < 0 {
			p.of = st.ids.in[0]
			if st.n.Op.Name == "Slice" {
				p.from = st.from
			}
			s.roots[s.root(k)]++
			continue
		}
		computes = true
		if p.out < 0 {
			s.take(k)
		}
	}
	if !early {
		s.readAll(st)
	}
	for _, k := range st.ids.out { // nobody reads it
		if s.left[k] == 0 {
			s.end(k)
		}
	}
	return computes
}

// named reports whether the results are columns of the operand.
func (s *slots) named(st *rowStep) bool {
	switch st.n.Op.Name {
	case "Identity", "Split":
		return true
	case "Slice":
		return st.step == 1
	}
	return false
}

// root returns the value whose memory k lies in.
func (s *slots) root(k int) int {
	for s.homes[k].of >= 0 {
		k = s.homes[k].of
	}
	return k
}

// take gives value k a slot.
func (s *slots) take(k int) {
	p := &s.homes[k]
	s.roots[k]++
	if list := s.free[p.width]; len(list) > 0 {
		p.slot, s.free[p.width] = list[len(list)-1], list[:len(list)-1]
		return
	}
	p.slot = s.slots
	s.slots += (p.width + 15) &^ 15 // whole cache lines
}

// readAll counts the reads of an operator.
func (s *slots) readAll(st *rowStep) {
	for _, k := range st.ids.in {
		if k < 0 {
			continue
		}
		if s.left[k]--; s.left[k] == 0 {
			s.end(k)
		}
	}
}

// end ends the life of value k.
func (s *slots) end(k int) {
	k = s.root(k)
	p := s.homes[k]
	if s.roots[k]--; s.roots[k] == 0 && p.slot >= 0 {
		s.free[p.width] = append(s.free[p.width], p.slot)
	}
}

// strips is one thread's sight of the rows that it computes.
type strips struct {
	*blocks
	memory []float32
	panels []float32 // the right factor of the product
	packed int       // ... of this matrix
	base   []int     // of the sources: offset of the block's first row
	piece  piece
	of     []cpu.Strip // by local number
	cols   []int       // ... how many columns they have now
	one    [1]float32
}

// enter goes to a place in the leading axes but the last.
func (t *strips) enter(outer int) {
	at := make([]int, t.rank-2)
	for i := t.rank - 3; i >= 0; i-- {
		at[i] = outer % t.lead[i]
		outer /= t.lead[i]
	}
	for k := range t.sources {
		src := &t.sources[k]
		if src.Value == nil {
			continue
		}
		t.base[k] = src.off
		for i, st := range src.lead {
			t.base[k] += at[i] * st
		}
	}
}

// lay points the strips to a piece.
func (t *strips) lay(p piece) {
	t.piece = p
	first := p.outer*t.lead[len(t.lead)-1] + p.from
	for k := range t.homes {
		pl := &t.homes[k]
		n, shift := pl.width, 0
		if p.hi-p.lo < t.blocks.width() && n == t.blocks.width() {
			n, shift = p.hi-p.lo, p.lo
		}
		t.cols[k] = n
		switch {
		case k < len(t.sources) && t.sources[k].Value == nil && pl.slot < 0:
		case k < len(t.sources) && t.sources[k].Value != nil && t.sources[k].elem != ir.Float: // of a Where
		case k < len(t.sources) && t.sources[k].Value != nil:
			src := &t.sources[k]
			at := t.base[k] + p.from*src.row + shift*src.col
			data := as[float32](&Value{buf: src.buf})
			if pl.slot < 0 {
				t.of[k] = cpu.Strip{Data: data[at:], Step: src.row}
				continue
			}
			t.of[k] = t.slot(pl, n)
			cpu.CopyStrided(t.serial, t.of[k].Data[:n*p.rows], []int{p.rows, n}, data, at, []int{src.row, src.col})
		case pl.of >= 0:
			t.of[k] = t.of[pl.of].From(pl.from)
		case pl.out >= 0:
			t.of[k] = cpu.Strip{Data: flat[float32](t.outs[pl.out])[first*pl.width+shift:], Step: pl.width}
		default:
			t.of[k] = t.slot(pl, n)
		}
	}
}

func (t *strips) slot(pl *home, n int) cpu.Strip {
	return cpu.Strip{Data: t.memory[pl.slot*t.tall:], Step: n}
}

// operand is value k for a result of n columns.
func (t *strips) operand(k, n int) cpu.Strip {
	s := t.of[k]
	s.Number = t.cols[k] == 1 && n > 1
	return s
}

// number is x for every element. The next one takes its place.
func (t *strips) number(x float32) cpu.Strip {
	t.one[0] = x
	return cpu.Strip{Data: t.one[:], Number: true}
}

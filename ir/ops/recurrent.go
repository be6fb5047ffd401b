package ops

import (
	"fmt"

	"github.com/lxtc/lxtc/ir"
)

// recurrentOps run over a sequence of T steps, X [T, B, I], with a state [B, H].
// Their bodies are the steps, written out: gates are sums of products, products
// and activations, and relevance goes through those.
func recurrentOps() []*ir.Op {
	return []*ir.Op{
		recurrent("RNN", "f(W x + R h + b), step by step", 1, []string{"Tanh"}, (*cell).rnn),
		recurrent("GRU", "gated recurrent units, step by step", 3, []string{"Sigmoid", "Tanh"}, (*cell).gru),
		recurrent("LSTM", "long short-term memory, step by step", 4, []string{"Sigmoid", "Tanh", "Tanh"}, (*cell).lstm),
	}
}

// recurrent is an operator of so many gates, whose activations are by default
// the given ones.
func recurrent(name, doc string, gates int64, defaults []string, step func(c *cell, x, h, s *ir.Value) (h2, s2 *ir.Value)) *ir.Op {
	op := &ir.Op{
		Name: ir.OpName{Name: name}, Since: 14, Fused: true, Doc: doc,
		In: ir.P("X", "W", "R", "B?", "sequence_lens?", "initial_h?"), Out: ir.P("Y?", "Y_h?"),
		VJP: noVJP,
	}
	if name == "LSTM" {
		op.In, op.Out = append(op.In, ir.P("initial_c?", "P?")...), append(op.Out, ir.P("Y_c?")...)
	}
	op.Infer = func(n *ir.Node) ([]ir.Type, error) { return inferRecurrent(n, len(op.Out)) }
	op.Body = func(b *ir.Builder, n *ir.Node) []*ir.Value {
		x := n.In[0]
		if x.Type.Rank() != 3 {
			return []*ir.Value{b.Fail("%w: %s", errRank, x)}
		}
		timeFirst := n.Attrs.Int("layout", 0) == 0
		if !timeFirst {
			x = b.Transpose(x, 1, 0, 2)
		}
		var all [3][]*ir.Value
		for d := range directions(n) {
			c := &cell{b: b, n: n, gates: gates, direction: d, functions: defaults}
			ys := c.run(x, timeFirst, step)
			for i, y := range ys {
				all[i] = append(all[i], y)
			}
		}
		at := []int64{1, 0, 0} // [T, D, B, H] and [D, B, H]
		if !timeFirst {
			at = []int64{2, 1, 1} // [B, T, D, H] and [B, D, H]
			for i := range all[0] {
				all[0][i] = b.Transpose(all[0][i], 1, 0, 2)
			}
		}
		outs := make([]*ir.Value, max(1, len(n.Out)))
		for i := range outs {
			outs[i] = stack(b, all[i], at[i], ir.Type{})
		}
		return outs
	}
	return op
}

// directions yields the numbers of the directions: 1 or 2 of them.
func directions(n *ir.Node) int {
	if n.Attrs.String("direction", "forward") == "bidirectional" {
		return 2
	}
	return 1
}

func inferRecurrent(n *ir.Node, outputs int) ([]ir.Type, error) {
	x, r := n.In[0].Type, n.In[2].Type
	switch d := n.Attrs.String("direction", "forward"); {
	case d != "forward" && d != "reverse" && d != "bidirectional":
		return nil, fmt.Errorf("unknown direction %q", d)
	case x.Shape != nil && len(x.Shape) != 3, r.Shape != nil && len(r.Shape) != 3:
		return nil, fmt.Errorf("input X is %s and R is %s, want rank 3", x, r)
	}
	y, h := ir.Type{Elem: x.Elem}, ir.Type{Elem: x.Elem}
	if x.Shape != nil {
		hidden := ir.Unknown
		if size := n.Attrs.Int("hidden_size", 0); size > 0 {
			hidden = ir.N(size)
		} else if r.Shape != nil {
			hidden = r.Shape[2]
		}
		d, steps, batch := ir.N(int64(directions(n))), x.Shape[0], x.Shape[1]
		y.Shape, h.Shape = []ir.Dim{steps, d, batch, hidden}, []ir.Dim{d, batch, hidden}
		if n.Attrs.Int("layout", 0) != 0 {
			steps, batch = batch, steps
			y.Shape, h.Shape = []ir.Dim{batch, steps, d, hidden}, []ir.Dim{batch, d, hidden}
		}
	}
	return optionalOutputs(n, []ir.Type{y, h, h}[:outputs]...)
}

// A cell is one direction of a recurrent node.
type cell struct {
	b         *ir.Builder
	n         *ir.Node
	gates     int64
	direction int
	functions []string // default activations

	w, r, wb, rb, p []*ir.Value // by gate; transposed weights, biases and peepholes, nil if there are none
}

// run returns the outputs [T, B, H] and [B, H], and for an LSTM its last state.
func (c *cell) run(x *ir.Value, timeFirst bool, step func(c *cell, x, h, s *ir.Value) (h2, s2 *ir.Value)) []*ir.Value {
	b, n := c.b, c.n
	hidden, ok := dimOf(n.In[2], 2).Num()
	length, ok2 := x.Type.Shape[0].Num()
	switch {
	case !ok || !ok2:
		return []*ir.Value{b.Fail("X is %s and R is %s: the numbers of steps and of states must be known", x.Type, n.In[2].Type)}
	case length > maxUnrolled/(12*c.gates):
		return []*ir.Value{b.Fail("%d steps are too many to write out", length)}
	}
	mine := func(i int) *ir.Value { // what of input i belongs to this direction
		v := n.Input(i)
		if v == nil {
			return nil
		}
		return b.Op("Gather", v, scalarInt(b, int64(c.direction)))
	}
	c.w = c.perGate(b.Transpose(mine(1), 1, 0), 1, c.gates, hidden)
	c.r = c.perGate(b.Transpose(mine(2), 1, 0), 1, c.gates, hidden)
	c.wb, c.rb, c.p = make([]*ir.Value, c.gates), make([]*ir.Value, c.gates), make([]*ir.Value, 3)
	if bias := mine(3); bias != nil {
		both := c.perGate(bias, 0, 2*c.gates, hidden)
		c.wb, c.rb = both[:c.gates], both[c.gates:]
	}
	if p := mine(7); p != nil {
		c.p = c.perGate(p, 0, 3, hidden)
	}
	state := func(i int) *ir.Value {
		v := n.Input(i)
		switch {
		case v == nil:
			shape := b.OpA("Concat", axis(0), b.OpA("Shape", ir.Attrs{{Name: "start", Value: int64(1)}, {Name: "end", Value: int64(2)}}, x), b.Ints(hidden))
			return zerosOf(b, x.Type.Elem, shape)
		case !timeFirst: // [B, D, H]
			return b.OpA("Gather", axis(1), v, scalarInt(b, int64(c.direction)))
		}
		return mine(i)
	}
	h, s := state(5), state(6)
	back := n.Attrs.String("direction", "forward") == "reverse" || c.direction == 1
	ys := make([]*ir.Value, length)
	for i := range length {
		t := i
		if back {
			t = length - 1 - i
		}
		h2, s2 := step(c, b.Op("Gather", x, scalarInt(b, t)), h, s)
		if lens := n.Input(4); lens != nil { // beyond the end of a row its state stays, and its output is 0
			alive := b.Op("Unsqueeze", b.Op("Greater", lens, b.OpA("Cast", toType(ir.Int32), scalarInt(b, t))), b.Ints(1))
			ys[t] = b.Op("Where", alive, h2, b.Scalar(0, h2))
			h, s = b.Op("Where", alive, h2, h), b.Op("Where", alive, s2, s)
			continue
		}
		ys[t], h, s = h2, h2, s2
	}
	return []*ir.Value{stack(b, ys, 0, h.Type), h, s}
}

// perGate divides v into as many pieces of the given size along an axis.
func (c *cell) perGate(v *ir.Value, k int, count, size int64) []*ir.Value {
	if count == 1 {
		return []*ir.Value{v}
	}
	out := make([]*ir.Value, count)
	for i := range out {
		from := int64(i) * size
		out[i] = c.b.Op("Slice", v, c.b.Ints(from), c.b.Ints(from+size), c.b.Ints(int64(k)))
	}
	return out
}

// gate is W x + R h, with biases, of gate i; a term without its operand is left
// out.
func (c *cell) gate(i int, x, h *ir.Value) *ir.Value {
	term := func(v, w, bias *ir.Value) *ir.Value {
		if bias == nil {
			return c.b.MatMul(v, w)
		}
		return c.b.Add(c.b.MatMul(v, w), bias)
	}
	switch {
	case x == nil:
		return term(h, c.r[i], c.rb[i])
	case h == nil:
		return term(x, c.w[i], c.wb[i])
	}
	return c.b.Add(term(x, c.w[i], c.wb[i]), term(h, c.r[i], c.rb[i]))
}

// f applies activation number i of this direction to v, which clip limits.
func (c *cell) f(i int, v *ir.Value) *ir.Value {
	b, n := c.b, c.n
	if limit := n.Attrs.Float("clip", 0); limit > 0 {
		v = b.Op("Clip", v, b.Scalar(-float64(limit), v), b.Scalar(float64(limit), v))
	}
	name, k := c.functions[i], c.direction*len(c.functions)+i
	if names := n.Attrs.Strings("activations"); k < len(names) {
		name = names[k]
	}
	param := func(list string, def float32) float32 {
		if xs := n.Attrs.Floats(list); k < len(xs) {
			return xs[k]
		}
		return def
	}
	set := func(alpha, beta float32, names ...string) ir.Attrs {
		as := ir.Attrs{}
		for j, name := range names {
			as = append(as, ir.Attr{Name: name, Value: []float32{param("activation_alpha", alpha), param("activation_beta", beta)}[j]})
		}
		return as
	}
	switch name {
	case "Tanh", "Sigmoid", "Relu", "Softsign", "Softplus":
		return b.Op(name, v)
	case "LeakyRelu":
		return b.OpA(name, set(0.01, 0, "alpha"), v)
	case "Elu", "ThresholdedRelu":
		return b.OpA(name, set(1, 0, "alpha"), v)
	case "HardSigmoid":
		return b.OpA(name, set(0.2, 0.5, "alpha", "beta"), v)
	case "ScaledTanh":
		return b.Scale(b.Op("Tanh", b.Scale(v, float64(param("activation_beta", 1)))), float64(param("activation_alpha", 1)))
	case "Affine":
		return b.Add(b.Scale(v, float64(param("activation_alpha", 1))), b.Scalar(float64(param("activation_beta", 0)), v))
	}
	return b.Fail("unknown activation %q", name)
}

func (c *cell) rnn(x, h, s *ir.Value) (h2, s2 *ir.Value) { return c.f(0, c.gate(0, x, h)), s }

// gru has the gates z, r, h.
func (c *cell) gru(x, h, s *ir.Value) (h2, s2 *ir.Value) {
	b := c.b
	z, r := c.f(0, c.gate(0, x, h)), c.f(0, c.gate(1, x, h))
	var hidden *ir.Value
	if c.n.Attrs.Int("linear_before_reset", 0) != 0 {
		hidden = b.Mul(r, c.gate(2, nil, h))
	} else {
		hidden = c.gate(2, nil, b.Mul(r, h))
	}
	candidate := c.f(1, b.Add(c.gate(2, x, nil), hidden))
	return b.Add(b.Mul(b.Sub(b.Scalar(1, z), z), candidate), b.Mul(z, h)), s
}

// lstm has the gates i, o, f, c, and peepholes for the first three.
func (c *cell) lstm(x, h, s *ir.Value) (h2, s2 *ir.Value) {
	b := c.b
	peep := func(i int, state *ir.Value) *ir.Value {
		g := c.gate(i, x, h)
		if c.p[i] == nil {
			return g
		}
		return b.Add(g, b.Mul(c.p[i], state))
	}
	in := c.f(0, peep(0, s))
	forget := b.Sub(b.Scalar(1, in), in)
	if c.n.Attrs.Int("input_forget", 0) == 0 {
		forget = c.f(0, peep(2, s))
	}
	s2 = b.Add(b.Mul(forget, s), b.Mul(in, c.f(1, c.gate(3, x, h))))
	out := c.f(0, peep(1, s2))
	return b.Mul(out, c.f(2, s2)), s2
}

package rules

import "github.com/lxtc/lxtc/ir"

// A split is a linear operator on the positive and on the negative part of its
// input, each with weights of its own: z = x⁺wp + x⁻wn + b. Every rule that
// looks at signs is a few splits and what flows back through them.
type split struct {
	linear
	pos, neg *ir.Node // neg is nil if the input counts as it is
	b        change
}

// A signs is a linear operator whose input is cut into parts by its sign, once
// for all splits.
type signs struct {
	linear
	xp, xn *ir.Value // xn is nil if the input counts as it is, or has no negative part; xp is all of it
}

func signsOf(c *Context) signs {
	l := linearOf(c)
	if c.Call.Word("inputs") == "plain" || l.x < len(c.NonNegative) && c.NonNegative[l.x] {
		return signs{l, l.input(), nil}
	}
	return signs{l, c.Pos(l.input()), c.NegPart(l.input())}
}

// split changes the weights to wp for x⁺ and to wn for x⁻, and the bias by b.
func (l signs) split(wp, wn, b change) split {
	s := split{linear: l.linear, pos: l.at(l.xp, wp, b), b: b}
	if l.xn != nil {
		s.neg = l.at(l.xn, wn, nil)
	}
	return s
}

// z returns the sum of both parts.
func (s split) z() *ir.Value {
	if s.neg == nil {
		return s.pos.Out[0]
	}
	return s.Add(s.pos.Out[0], s.neg.Out[0])
}

// A flow is what goes back through a split: s is relevance over some z, and u
// is the split's own z.
type flow struct {
	split
	s, u *ir.Value
}

// share returns what all flows together bring to x:
//
//	R_x = Σ x⁺ (wpᵀ s) + x⁻ (wnᵀ s)
func (l signs) share(flows ...flow) []*ir.Value {
	var p, n, handed, constants *ir.Value
	for _, f := range flows {
		p = l.plus(p, l.back(f.pos, f.s))
		if f.neg != nil {
			n = l.plus(n, l.back(f.neg, f.s))
		}
		handed = l.plus(handed, l.Mul(f.s, l.withoutBias(f.u, f.b)))
		if b := l.changedBias(f.b); b != nil {
			constants = l.plus(constants, l.Mul(f.s, b))
		}
	}
	if n == nil {
		return l.answer(l.Times(l.x, p), handed, constants)
	}
	x, zero := l.input(), l.Scalar(0, l.input())
	r := l.Add(l.Mul(l.xp, p), l.Mul(l.xn, n))
	l.remember(r, l.Op("Where", l.Op("Greater", x, zero), p, l.Op("Where", l.Op("Less", x, zero), n, zero)))
	return l.answer(r, handed, constants)
}

// plus adds b to a sum, which is nil before its first term.
func (c *Context) plus(a, b *ir.Value) *ir.Value {
	if a == nil {
		return b
	}
	return c.Add(a, b)
}

// bySign are the parameters of rules that look at signs.
func bySign(ps ...Param) []Param {
	return append(append(ps, stabilized("1e-6")...), biasParam("keep", "full", "zero"), Param{
		Name: "inputs", Default: "signed", Choices: []string{"signed", "plain"},
		Doc: "how the input counts: signed, in two parts by sign; plain, as it is, which is the formula for inputs that are not negative",
	}, absorbing(), border())
}

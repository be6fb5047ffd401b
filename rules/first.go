package rules

import "github.com/lxtc/lxtc/ir"

// The rules of this file are for the first layer, whose input is no activation:
// that a pixel is 0 does not say that it does not matter.

// ZBox is for inputs that are known to lie between two bounds.
var ZBox = &Rule{
	Name: "zbox",
	Doc: "for inputs between two bounds\n\n" +
		"z = xw - l w⁺ - h w⁻, R_x = x (s w) - l (s w⁺) - h (s w⁻), s = R / (z + ε); the bias cancels. zennit's ZBox; Montavon et al. 2017.",
	Params: append([]Param{
		{Name: "low", Default: "-1", List: true, Doc: "the lowest value of the input, or of each channel: -2.1/-2/-1.8"},
		{Name: "high", Default: "1", List: true, Doc: "the highest value, likewise"},
	}, append(stabilized("1e-6"), absorbing())...),
	Dialects:   zeros(),
	Conserves:  true,
	OnlyLinear: true,
	AtZero:     true,
	Relevance: func(c *Context) []*ir.Value {
		l := linearOf(c)
		x := l.input()
		if low, high := c.numbers("low"), c.numbers("high"); above(low, high) {
			c.Fail("the lower bound, %s, is above the upper one, %s", c.Call.Word("low"), c.Call.Word("high"))
		}
		bound := func(name string) *ir.Value { return c.like(x, c.ParamAlong(name, x, l.features())) }
		low, high := bound("low"), bound("high")
		at, atLow, atHigh := l.at(x, same, nil), l.at(low, c.Pos, nil), l.at(high, c.NegPart, nil)
		_, arriving := c.Arriving()
		z := c.Sub(c.Sub(at.Out[0], atLow.Out[0]), atHigh.Out[0])
		s := c.Ratio(arriving, z)
		r := c.Mul(x, l.back(at, s))
		r = c.Sub(r, c.Mul(low, l.back(atLow, s)))
		return l.answer(c.Sub(r, c.Mul(high, l.back(atHigh, s))), c.Mul(s, z), nil)
	},
}

// numbers returns the numbers of a list parameter, nil if they are free.
func (c *Context) numbers(name string) []float32 {
	if _, free := c.Call.Free(name); free {
		return nil
	}
	return c.Call.Attr(name).([]float32)
}

// above reports whether a lower bound is above an upper one, each one number or one for
// each channel.
func above(low, high []float32) bool {
	for i := range max(len(low), len(high)) {
		if len(low) > 0 && len(high) > 0 && low[i%len(low)] > high[i%len(high)] {
			return true
		}
	}
	return false
}

// WSquare shares by weights alone, whatever the input is.
var WSquare = &Rule{
	Name:   "wsquare",
	Doc:    "share by the squares of the weights\n\nz = Σ w² + b², R_x = s w², s = R / (z + ε). zennit's WSquare; Montavon et al. 2017, without the bias there.",
	Params: append(stabilized("1e-6"), biasParam("keep", "zero"), absorbing()),
	Dialects: []Dialect{
		{"zennit", []string{"eps=1e-6", "stabilizer=sign", "bias=keep"}},
		{"innvestigate", []string{"eps=1e-7", "stabilizer=zeros", "bias=zero"}},
		{"julia", []string{"eps=1e-9", "stabilizer=sign", "bias=zero"}},
	},
	Conserves:  true,
	OnlyLinear: true,
	AtZero:     true,
	Relevance: func(c *Context) []*ir.Value {
		l := linearOf(c)
		square := func(v *ir.Value) *ir.Value { return c.Mul(v, v) }
		b := l.changed(square)
		n := l.at(c.like(l.input(), c.Scalar(1, l.input())), square, b)
		_, r := c.Arriving()
		s := c.Ratio(r, n.Out[0])
		var taken *ir.Value
		if bias := l.changedBias(b); bias != nil {
			taken = c.Mul(s, bias)
		}
		return l.answer(l.back(n, s), c.Mul(s, l.withoutBias(n.Out[0], b)), taken)
	},
}

// Flat shares equally among the inputs that an output is connected to.
var Flat = &Rule{
	Name:       "flat",
	Doc:        "share equally among connected inputs\n\nR_x = s 1, s = R / (n + ε) for n inputs in reach: epsilon with all weights and inputs 1, without bias. zennit's Flat; Lapuschkin et al. 2019.",
	Params:     append(stabilized("1e-6"), absorbing()),
	Dialects:   zeros(),
	Conserves:  true,
	OnlyLinear: true,
	AtZero:     true,
	Relevance: func(c *Context) []*ir.Value {
		l := linearOf(c)
		n := l.connected()
		_, r := c.Arriving()
		s := c.Ratio(r, n.Out[0])
		return l.answer(l.back(n, s), c.Mul(s, n.Out[0]), nil)
	},
}

// zeros are the dialects of rules that tools differ about in the stabilizer
// only.
func zeros() []Dialect {
	return []Dialect{
		{"zennit", []string{"eps=1e-6", "stabilizer=sign"}},
		{"innvestigate", []string{"eps=1e-7", "stabilizer=zeros"}},
	}
}

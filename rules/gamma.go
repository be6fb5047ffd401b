package rules

import "github.com/lxtc/lxtc/ir"

// Gamma favours contributions of the output's sign, in the form for inputs of
// either sign: zennit's Gamma, which generalizes Montavon et al. 2019 as
// Andéol et al. 2021 do.
//
// With p = x⁺w⁺ + x⁻w⁻ + b⁺ and n = x⁺w⁻ + x⁻w⁺ + b⁻, z = p + n, its
// denominators are z + γp and z + γn. So n is z - p and costs no product, and γ
// need not be known before the model runs.
var Gamma = &Rule{
	Name: "gamma",
	Doc: "favour contributions of the output's sign\n\n" +
		"With x± and w± the positive and negative parts, W± = w + γ w±, z₊ = x⁺W₊ + x⁻W₋ + b₊ and z₋ = x⁺W₋ + x⁻W₊ + b₋: " +
		"R_x = x⁺(s₊W₊ + s₋W₋) + x⁻(s₊W₋ + s₋W₊), s± = [±z > 0] R / (z± + ε). Where z is 0, R is lost. zennit's Gamma; γ = 0 is epsilon. " +
		"For plain inputs R_x = x (s W₊), s = R / (x W₊ + b₊ + ε), whatever the sign of z: Montavon et al. 2019.",
	Params: bySign(Param{Name: "gamma", Default: "0.25", List: true, Doc: "how much the parts of one sign are favoured, or for each output channel: 0.1/0.2/0.3", Refuse: atLeast(0)}),
	Dialects: []Dialect{
		{"zennit", []string{"eps=1e-6", "stabilizer=sign", "bias=keep", "inputs=signed"}},
		{"lxt", []string{"eps=1e-6", "stabilizer=sign", "bias=keep", "inputs=signed", "border=1e-10"}},
		{"captum", []string{"eps=1e-9", "stabilizer=sign", "bias=full", "inputs=plain"}},
		{"julia", []string{"eps=1e-9", "stabilizer=sign", "bias=keep", "inputs=plain"}},
	},
	Conserves:  true,
	OnlyLinear: true,
	Relevance: func(c *Context) []*ir.Value {
		l := signsOf(c)
		z, r := c.Arriving()
		gamma, zero := c.ParamAlong("gamma", z, l.channels(z)), c.Scalar(0, z)
		y, whole, bp, bn := z, z, change(c.Pos), change(c.NegPart)
		switch c.Call.Word("bias") {
		case "full": // not favoured
			whole, bp, bn = l.withoutBias(z, same), nil, nil
		case "zero":
			whole, bp, bn = l.withoutBias(z, same), nil, nil
			y = whole
		}
		up, down := l.split(c.Pos, c.NegPart, bp), l.split(c.NegPart, c.Pos, bn)
		p := up.z()
		n := c.Sub(whole, p)
		sp, sn := c.Ratio(r, c.Add(y, c.Mul(gamma, p))), zero
		if c.Call.Word("inputs") == "signed" {
			sp = c.Op("Where", c.Op("Greater", z, zero), sp, zero)
			sn = c.Op("Where", c.Op("Less", z, zero), c.Ratio(r, c.Add(y, c.Mul(gamma, n))), zero)
		}
		more := c.Add(c.Scalar(1, z), gamma)
		return l.share(flow{up, c.Add(c.Mul(more, sp), sn), p}, flow{down, c.Add(sp, c.Mul(more, sn)), n})
	},
}

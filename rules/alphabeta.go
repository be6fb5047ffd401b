package rules

import "github.com/lxtc/lxtc/ir"

// ZPlus keeps positive contributions only: zennit's ZPlus, the αβ rule with
// α = 1 and β = 0.
var ZPlus = &Rule{
	Name:    "zplus",
	Aliases: []string{"excitation"},
	Doc: "keep positive contributions only\n\n" +
		"z⁺ = x⁺w⁺ + x⁻w⁻ + b⁺, R_x = x⁺ (s w⁺) + x⁻ (s w⁻), s = R / (z⁺ + ε). zennit's ZPlus, αβ with α = 1, β = 0; Bach et al. 2015. " +
		"For plain inputs z⁺ = x w⁺ + b⁺, R_x = x (s w⁺).",
	Params: bySign(),
	Dialects: []Dialect{
		{"zennit", []string{"eps=1e-6", "stabilizer=sign", "bias=keep", "inputs=signed"}},
		{"lxt", []string{"eps=1e-6", "stabilizer=sign", "bias=keep", "inputs=signed", "border=1e-10"}},
		{"captum", []string{"eps=1e-9", "stabilizer=sign", "bias=full", "inputs=plain"}},
		{"innvestigate", []string{"eps=1e-7", "stabilizer=zeros", "bias=zero", "inputs=signed"}},
		{"innvestigate-fast", []string{"eps=1e-7", "stabilizer=zeros", "bias=zero", "inputs=plain"}},
	},
	Conserves:  true,
	OnlyLinear: true,
	Relevance: func(c *Context) []*ir.Value {
		l := signsOf(c)
		_, r := c.Arriving()
		up := l.split(c.Pos, c.NegPart, l.changed(c.Pos))
		z := up.z()
		return l.share(flow{up, c.Ratio(r, z), z})
	},
}

// AlphaBeta weighs positive against negative contributions.
var AlphaBeta = &Rule{
	Name: "alphabeta",
	Doc: "weigh positive against negative contributions\n\n" +
		"z⁺ = x⁺w⁺ + x⁻w⁻ + b⁺, z⁻ = x⁺w⁻ + x⁻w⁺ + b⁻, R_x = α (x⁺ (s⁺w⁺) + x⁻ (s⁺w⁻)) - β (x⁺ (s⁻w⁻) + x⁻ (s⁻w⁺)), s± = R / (z± + ε), β = α - 1. zennit's AlphaBeta; Bach et al. 2015.",
	Params: bySign(Param{Name: "alpha", Default: "2", List: true, Doc: "the weight of positive contributions, or for each output channel: 2/1/1; β is α - 1", Refuse: atLeast(1)}),
	Dialects: []Dialect{
		{"zennit", []string{"eps=1e-6", "stabilizer=sign", "bias=keep", "inputs=signed"}},
		{"lxt", []string{"eps=1e-6", "stabilizer=sign", "bias=keep", "inputs=signed", "border=1e-10"}},
		{"innvestigate", []string{"eps=1e-7", "stabilizer=zeros", "bias=full", "inputs=signed"}},
	},
	Conserves:  true,
	OnlyLinear: true,
	Relevance: func(c *Context) []*ir.Value {
		l := signsOf(c)
		_, r := c.Arriving()
		up, down := l.split(c.Pos, c.NegPart, l.changed(c.Pos)), l.split(c.NegPart, c.Pos, l.changed(c.NegPart))
		u := up.z()
		if alpha, known := c.Call.Float("alpha"); known && alpha == 1 {
			return l.share(flow{up, c.Ratio(r, u), u})
		}
		a := c.ParamAlong("alpha", r, l.channels(r))
		minusBeta := c.Sub(c.Scalar(1, r), a)
		d := down.z()
		return l.share(flow{up, c.Mul(a, c.Ratio(r, u)), u}, flow{down, c.Mul(minusBeta, c.Ratio(r, d)), d})
	},
}

package patterns

import (
	"fmt"

	"github.com/lxtc/lxtc/ir"
	"github.com/lxtc/lxtc/passes/rewrite"
)

// convBias joins a convolution and the bias added to it, which some exporters
// keep apart, and some add only after they have moved the channels last: a rule
// for the convolution is one of both.
var convBias = &rewrite.Rule{
	Name: "convbias",
	Doc:  "a constant for each channel, added to a convolution, is its bias",
	Match: rewrite.MustParse(`
		l = Conv/ConvTranspose (x, w, ...)
		at = Transpose? (l)
		y = Add (at, c)
	`),
	If: func(m *rewrite.Match) error {
		n, w := m.Get("l").Def, m.Get("w")
		switch {
		case n.Input(2) != nil:
			return fmt.Errorf("%v has a bias", n)
		case !IsWeight(w):
			return fmt.Errorf("%s is no weight", w)
		case n.Out[0].NumUses() > 1:
			return fmt.Errorf("%s is used elsewhere, too", n.Out[0])
		}
		axis, err := channelAxis(n, m.Get("at"))
		if err != nil {
			return err
		}
		return alongAxis(m.Get("c"), m.Root.Out[0].Type, axis)
	},
	With: func(b *ir.Builder, m *rewrite.Match) *ir.Value {
		n, bias := m.Get("l").Def, b.OpA("Reshape", nil, m.Get("c"), b.Ints(-1))
		return asBefore(b, m.Get("at"), b.Node(n.Op, n.Attrs, m.Get("x"), m.Get("w"), bias).Out[0])
	},
}

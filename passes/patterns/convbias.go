package patterns

import (
	"fmt"

	"github.com/lxtc/lxtc/ir"
	"github.com/lxtc/lxtc/passes/rewrite"
)

// convBias joins a convolution and the bias added to it, which some exporters
// keep apart: a rule for the convolution is one of both.
var convBias = &rewrite.Rule{
	Name:  "convbias",
	Doc:   "a constant for each channel, added to a convolution, is its bias",
	Match: rewrite.MustParse(`y = Add (Conv/ConvTranspose (x, w, ...), c)`),
	If: func(m *rewrite.Match) error {
		n, w, c := m.Nodes[1], m.Get("w"), m.Get("c")
		switch {
		case n.Input(2) != nil:
			return fmt.Errorf("%v has a bias", n)
		case !IsWeight(w):
			return fmt.Errorf("%s is no weight", w)
		case n.Out[0].NumUses() > 1:
			return fmt.Errorf("%s is used elsewhere, too", n.Out[0])
		}
		return perChannel(c, n.Out[0].Type)
	},
	With: func(b *ir.Builder, m *rewrite.Match) *ir.Value {
		bias := b.OpA("Reshape", nil, m.Get("c"), b.Ints(-1))
		return b.Node(m.Nodes[1].Op, m.Nodes[1].Attrs, m.Get("x"), m.Get("w"), bias).Out[0]
	},
}

// perChannel checks that v is a constant with one element for each channel, in
// the place where adding it to a value of type t finds the channels.
func perChannel(v *ir.Value, t ir.Type) error {
	c := rewrite.Constant(v)
	rank := t.Rank()
	switch {
	case c == nil:
		return fmt.Errorf("%s is not constant", v)
	case rank < 3 || !t.Shape[1].Is(int64(c.Len())):
		return fmt.Errorf("%s has %d elements, and the convolution is %s", v, c.Len(), t)
	}
	axis := len(c.Shape) - (rank - 1) // of the channels
	if axis != 0 && axis != 1 || c.Shape[axis] != c.Len() {
		return fmt.Errorf("%s is %s, which is not one number for each channel", v, c.TypeOf())
	}
	return nil
}

package rules

import "github.com/lxtc/lxtc/ir"

// The rules of this file say who in a window gets its relevance, whether the
// window is pooled by its maximum or by its mean.

// WinnerTakesAll gives everything to the largest element.
var WinnerTakesAll = &Rule{
	Name:      "winner-takes-all",
	Aliases:   []string{"winner-take-all"},
	Doc:       "everything to the largest element of a window\n\nR_x = R for the largest x, else 0. Gradient form of a maximum: the derivative. Of a mean, too: as if it were a maximum.",
	Conserves: true,
	Relevance: func(c *Context) []*ir.Value {
		_, r := c.Arriving()
		return c.VJP(pooledBy(c, largest), r)
	},
	Gradient: func(c *Context) []*ir.Value {
		if pooling[c.Node.Op.Name][largest] == c.Node.Op.Name {
			return c.VJP(c.Node, c.R...)
		}
		return c.converted()
	},
}

// Proportional shares among the elements of a window by their values.
var Proportional = &Rule{
	Name:      "proportional",
	Doc:       "to the elements of a window by their values\n\nR_x = x / (Σx + ε) R over the window, ε relative to the mean. Of a maximum, too: as if it were a mean.",
	Params:    append(stabilized("1e-6"), absorbing()),
	Conserves: true,
	Relevance: func(c *Context) []*ir.Value {
		_, r := c.Arriving()
		n := pooledBy(c, mean)
		s := c.Ratio(r, n.Out[0])
		rs := c.TimesInput(c.VJP(n, s))
		handed := c.Mul(s, n.Out[0])
		if !c.Call.Redistributes() {
			c.Note(handed, nil)
			return rs
		}
		rs, rest := c.give(rs, n, c.Sub(r, handed), c.byContribution())
		c.keep(rest)
		return rs
	},
}

// Average shares equally among the elements of a window.
var Average = &Rule{
	Name:      "average",
	Doc:       "equally to the elements of a window\n\nR_x = R / n for n elements in the window. Of a maximum, too: as if it were a mean.",
	Conserves: true,
	AtZero:    true,
	Relevance: func(c *Context) []*ir.Value {
		_, r := c.Arriving()
		return c.VJP(pooledBy(c, mean), r)
	},
}

const (
	largest = iota
	mean
)

// pooling are the operators that take the largest element, and the mean, of the
// windows of an operator.
var pooling = map[string][2]string{
	"MaxPool": {"MaxPool", "AveragePool"}, "AveragePool": {"MaxPool", "AveragePool"},
	"GlobalMaxPool": {"GlobalMaxPool", "GlobalAveragePool"}, "GlobalAveragePool": {"GlobalMaxPool", "GlobalAveragePool"},
	"ReduceMax": {"ReduceMax", "ReduceMean"}, "ReduceMean": {"ReduceMax", "ReduceMean"},
}

// pooledBy is the node's pooling by the largest element or the mean. A mean
// counts no padding, so that none gets relevance.
func pooledBy(c *Context, how int) *ir.Node {
	c.Arriving()
	op, ok := pooling[c.Node.Op.Name]
	if !ok {
		c.Fail("rule %s takes a pooling, and %s is none", c.Call.Rule.Name, c.Node.Op)
		return c.Node
	}
	if op[how] == c.Node.Op.Name && how == largest {
		return c.Node
	}
	attrs := c.Node.Attrs.Without("storage_order", "count_include_pad")
	return c.Builder.Node(ir.OpName{Name: op[how]}, attrs, c.Node.In...)
}

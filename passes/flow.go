package passes

import (
	"slices"
	"strings"

	"github.com/lxtc/lxtc/internal/diag"
	"github.com/lxtc/lxtc/ir"
	"github.com/lxtc/lxtc/passes/patterns"
)

// DefaultSources returns the tensors of g that a user means who names none:
// its floating point inputs, masks and the relevance of outputs aside, and the
// embeddings of its tokens.
// For a model that takes token ids these are the rows gathered from its
// largest embedding tables, positions and segments aside.
func DefaultSources(g *ir.Graph) []*ir.Value {
	var sources []*ir.Value
	for _, v := range g.Inputs {
		switch {
		case strings.HasPrefix(v.Name, "R:"), strings.HasPrefix(v.Name, "$"), v.Name == WeightsInput: // a seed, a parameter of a rule, weights
		case v.Type.Elem.IsFloat() && !isSideInput(v.Name):
			sources = append(sources, v)
		case v.Type.Elem.IsInt() && !isSideInput(v.Name):
			if e := embeddingOf(v); e != nil {
				sources = append(sources, e)
			}
		}
	}
	return sources
}

// isSideInput tells masks, positions, segments and caches by the names that
// exporters give them.
func isSideInput(name string) bool {
	name = strings.ToLower(name)
	for _, s := range []string{"mask", "position", "token_type", "segment", "past_key", "past_value", "past.", "past_conv", "past_recurrent", "cache", "seqlen", "total_sequence"} {
		if strings.Contains(name, s) {
			return true
		}
	}
	return false
}

// embeddingOf returns the rows gathered from the largest constant table by ids
// that are v, possibly cast, reshaped, transposed or brought into range; nil if
// there is none.
func embeddingOf(ids *ir.Value) *ir.Value {
	var best *ir.Value
	rows := int64(-1)
	for _, u := range ids.Uses() {
		n := u.Node
		switch n.Op.String() {
		case "Cast", "Reshape", "Identity", "Unsqueeze", "Squeeze", "Flatten", "Transpose", "Add", "Mul", "Sub", "Where", "Clip":
			if u.Index != 0 && !arithmetic(n) || !n.Out[0].Type.Elem.IsInt() {
				continue
			}
			if e := embeddingOf(n.Out[0]); e != nil && tableRows(e) > rows {
				best, rows = e, tableRows(e)
			}
		case "Gather":
			table, e := n.In[0], dequantized(n.Out[0])
			if u.Index != 1 || e == nil || !e.Type.Elem.IsFloat() || table.Type.Rank() != 2 || !patterns.IsWeight(table) || onlyMeasured(e) {
				continue
			}
			if r := tableRows(e); r > rows {
				best, rows = e, r
			}
		}
	}
	return best
}

// arithmetic reports whether n brings ids into the range of a table, as Keras
// does with negative ones. What they are compared to makes no ids.
func arithmetic(n *ir.Node) bool {
	switch n.Op.String() {
	case "Add", "Mul", "Sub", "Where":
		return true
	}
	return false
}

// onlyMeasured reports whether nothing but the shape of v is read: optimizers
// leave such a Gather behind when they fuse another one of the same rows.
func onlyMeasured(v *ir.Value) bool {
	measures := func(u ir.Use) bool { return u.Node.Op.String() == "Shape" || u.Node.Op.String() == "Size" }
	return v.NumUses() > 0 && !slices.ContainsFunc(v.Uses(), func(u ir.Use) bool { return !measures(u) })
}

// dequantized returns what is made of rows gathered from a quantized table; nil
// for rows that are scales or zero points, and v itself if it is no part of one.
func dequantized(v *ir.Value) *ir.Value {
	for _, u := range v.Uses() {
		if u.Node.Op.String() != "DequantizeLinear" {
			continue
		}
		if u.Index > 0 {
			return nil
		}
		return u.Node.Out[0]
	}
	return v
}

func tableRows(embedding *ir.Value) int64 {
	gather := embedding.Def
	if gather.Op.Name == "DequantizeLinear" {
		gather = gather.In[0].Def
	}
	n, _ := gather.In[0].Type.Shape[0].Num()
	return n
}

// ends returns where relevance ends and where it starts.
func (c *Context) ends(m *ir.Model) (sources, targets []*ir.Value, err error) {
	if sources, err = c.sources(m); err == nil {
		targets, err = c.targets(m)
	}
	return sources, targets, err
}

// sources finds the tensors to explain.
func (c *Context) sources(m *ir.Model) ([]*ir.Value, error) {
	if len(c.Explain) == 0 {
		vs := DefaultSources(m.Graph)
		if len(vs) == 0 {
			return nil, diag.Errorf("LX3003", "the model has no floating point input and no token embedding to explain").In(m.File).
				Help("name a tensor with --explain; `lxtc inspect` lists them")
		}
		for i, v := range vs {
			vs[i] = inFloat32(v)
		}
		return vs, nil
	}
	var vs []*ir.Value
	for _, name := range c.Explain {
		v := m.Graph.Find(name)
		if v == nil {
			return nil, diag.Errorf("LX3003", "no tensor is called %q%s", name, diag.DidYouMean(name, valueNames(m.Graph))).In(m.File).
				Help("`lxtc inspect -v` lists the tensors of a model")
		}
		if !v.Type.Elem.IsFloat() {
			return nil, diag.Errorf("LX3003", "tensor %q is %s, and relevance belongs to floating point tensors", name, v.Type).In(m.File).
				Help("explain the embedding that is gathered by it; without --explain it is found")
		}
		vs = append(vs, inFloat32(v))
	}
	return vs, nil
}

func valueNames(g *ir.Graph) []string {
	var names []string
	for v := range g.Values() {
		names = append(names, v.Name)
	}
	return names
}

// reach is a set of values.
type reach map[*ir.Value]bool

// forward returns what depends on the given values by ways that relevance can
// take: through floating point operators that have a derivative. A node for
// which blocked returns true passes nothing; nil blocks none.
func forward(m *ir.Model, from []*ir.Value, blocked func(*ir.Node) bool) reach {
	r := reach{}
	for _, v := range from {
		r[v] = true
	}
	for n := range m.Graph.Nodes() {
		if !r.any(n.In) && !r.any(n.Captured()) || blocked != nil && blocked(n) || !differentiable(m, n) {
			continue
		}
		r.mark(n)
	}
	return r
}

// mark adds the floating point outputs of n.
func (r reach) mark(n *ir.Node) {
	for _, v := range n.Out {
		if v != nil && v.Type.Elem.IsFloat() {
			r[v] = true
		}
	}
}

func (r reach) any(vs []*ir.Value) bool {
	for _, v := range vs {
		if v != nil && r[v] {
			return true
		}
	}
	return false
}

// backward returns what the given values are computed from.
func backward(m *ir.Model, to []*ir.Value) reach {
	r := reach{}
	for _, v := range to {
		r[v] = true
	}
	for n := range m.Graph.Backward() {
		if !r.any(n.Out) {
			continue
		}
		for _, v := range append(n.Captured(), n.In...) {
			if v != nil {
				r[v] = true
			}
		}
	}
	return r
}

// differentiable reports whether anything can flow through n.
func differentiable(m *ir.Model, n *ir.Node) bool {
	op := m.Ops.Lookup(n.Op)
	return op != nil && op.VJP != nil
}

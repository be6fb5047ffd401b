package passes

import (
	"fmt"
	"slices"
	"strings"

	"github.com/lxtc/lxtc/ir"
)

// Canonical settles how things are said that can be said in several ways.
var Canonical = Pass{
	Name: "canonical",
	Doc: "one way to say each thing\n\n" +
		"Nodes that change nothing go: Identity, Dropout, a Cast to the type that is there, a Concat or Sum of one, a Pad by nothing, two Transposes of which one undoes the other. Their names stay as aliases. " +
		"Two nodes that do the same with one value are one, if activations and normalizations are spelled with them: what reads its operand twice is not known if it reads two. " +
		"A pooling loses a ceil_mode that changes no size, for which runtimes tell sizes wrongly. " +
		"A CastLike is a Cast: it does not depend on the tensor that it takes the type of.",
	After: []string{"fold"},
	Run:   canonical,
}

func canonical(c *Context, m *ir.Model) error {
	g := m.Graph
	moved := map[string]*ir.Node{}
	for n := range g.Nodes() {
		if roundedInVain(n) {
			c.Did("ceil_mode of no use", n.String(), n.Op.String())
			n.Attrs = n.Attrs.Without("ceil_mode")
		}
		key := moveKey(n)
		if twin := moved[key]; twin != nil && !c.Kept(m, n.Out[0]) && !c.Kept(m, twin.Out[0]) {
			c.Did("same", n.String(), twin.String())
			replaceKeepingNames(m, n.Out[0], twin.Out[0])
			if err := g.Remove(n); err != nil {
				return err
			}
			continue
		}
		if to := likeType(n); to != ir.Undefined && to != n.In[0].Type.Elem {
			c.Did("type known", n.String(), to.String())
			if err := castTo(m, n, to); err != nil {
				return err
			}
			if err := g.Remove(n); err != nil {
				return err
			}
			continue
		}
		x, why := same(n)
		if x == nil {
			if key != "" {
				moved[key] = n
			}
			continue
		}
		first := n.In[0].Def // of two Transposes
		if why == transposedBack && c.Kept(m, first.Out[0]) {
			continue
		}
		y, from := n.Out[0], n.String()
		if g.IsOutput(y) && (x.Def == nil || g.IsOutput(x) || n.Op.Name == "Identity") {
			if n.Op.Name == "Identity" {
				continue // an output that repeats an input or another output
			}
			b := m.At(g, n)
			b.Origin = "canonical <- " + from
			g.Replace(y, b.Op("Identity", x), b)
			if err := b.Err(); err != nil {
				return err
			}
		} else {
			if t, err := ir.Refine(x.Type, y.Type); err == nil {
				x.Type = t
			}
			replaceKeepingNames(m, y, x)
		}
		c.Did(why, from, x.Name)
		if err := g.Remove(n); err != nil {
			return err
		}
		if why == transposedBack && first.Out[0].NumUses() == 0 {
			delete(moved, moveKey(first))
			if err := g.Remove(first); err != nil {
				return err
			}
		}
	}
	return nil
}

// replaceKeepingNames makes x stand for y. An output y gives x its name; else
// y's names become aliases of x.
func replaceKeepingNames(m *ir.Model, y, x *ir.Value) {
	g := m.Graph
	if g.IsOutput(y) {
		name, old := y.Name, x.Name
		g.Rename(y, name+"_old")
		g.Rename(x, name)
		x.Aliases = append(append(x.Aliases, old), y.Aliases...)
		y.Aliases = nil
		g.ReplaceUses(y, x)
		return
	}
	moveAliases(y, x)
	g.ReplaceUses(y, x)
}

// same returns the operand that n hands on unchanged, and what n is; nil if it
// does something.
func same(n *ir.Node) (x *ir.Value, why string) {
	for _, v := range n.Out[min(1, len(n.Out)):] {
		if v != nil && (v.NumUses() > 0 || n.Graph().IsOutput(v)) {
			return nil, ""
		}
	}
	switch n.Op.String() {
	case "Identity":
		return n.In[0], "identity"
	case "Dropout":
		if len(n.In) > 2 && n.In[2] != nil { // training mode may be on
			if on, ok := n.In[2].Data.Item(); !ok || on != 0 {
				return nil, ""
			}
		}
		return n.In[0], "dropout"
	case "Cast", "CastLike":
		if n.In[0].Type.Elem == n.Out[0].Type.Elem && n.In[0].Type.Elem != ir.Undefined {
			return n.In[0], "no-op cast"
		}
	case "Concat", "Sum", "Mean", "Max", "Min":
		if len(n.In) == 1 {
			return n.In[0], "of one"
		}
	case "Pad":
		if len(n.In) < 2 || !n.In[1].IsConst() {
			return nil, ""
		}
		pads, err := n.In[1].Data.Int64s()
		if err == nil && !slices.ContainsFunc(pads, func(p int64) bool { return p != 0 }) {
			return n.In[0], "by nothing"
		}
	case "Transpose":
		if d := n.In[0].Def; d != nil && d.Op == n.Op && undoes(n, d) {
			return d.In[0], transposedBack
		}
	}
	return nil, ""
}

const transposedBack = "transposed back"

// moveKey is equal for nodes that do the same, among those that activations and
// normalizations are spelled with, and empty for other operators. Relevance is
// linear in what arrives, so that one node hands on what two would.
func moveKey(n *ir.Node) string {
	if !spelling[n.Op.String()] {
		return ""
	}
	var key strings.Builder
	fmt.Fprint(&key, n.Op)
	if strings.HasPrefix(n.Op.Name, "Reduce") {
		axes, ok := reduced(n)
		if !ok {
			return ""
		}
		fmt.Fprintf(&key, " %p %v %d", n.In[0], axes, n.Attrs.Int("keepdims", 1))
		return key.String()
	}
	for _, v := range n.In {
		if v != nil && v.IsConst() && v.Data.Len() <= 8 { // axes, and numbers
			fmt.Fprintf(&key, " %d%v%x%v", v.Data.Elem, v.Data.Shape, v.Data.Raw, v.Data.Exact)
			continue
		}
		fmt.Fprintf(&key, " %p", v)
	}
	writeAttrs(&key, n.Attrs)
	return key.String()
}

// reduced returns the axes of a reduction, counted from the front and in order;
// false if they, or the rank, are not known.
func reduced(n *ir.Node) ([]int64, bool) {
	rank := int64(n.In[0].Type.Rank())
	if rank < 0 || len(n.In) < 2 || n.In[1] == nil || !n.In[1].IsConst() {
		return nil, false
	}
	axes, err := n.In[1].Data.Int64s()
	if err != nil || len(axes) == 0 {
		return nil, false
	}
	for i, a := range axes {
		if a < 0 {
			axes[i] += rank
		}
	}
	slices.Sort(axes)
	return axes, true
}

// spelling are the operators that moveKey knows.
var spelling = map[string]bool{
	"Transpose": true, "Cast": true, "ReduceMean": true, "ReduceSum": true, "ReduceMax": true, "Sub": true, "Mul": true, "Pow": true,
	"Exp": true, "Neg": true, "Abs": true, "Relu": true, "Sigmoid": true, "Softplus": true, "Greater": true, "Less": true,
}

// roundedInVain reports whether n is a pooling with ceil_mode whose result has
// the size that it has without. So it is where strides come out even, and where
// the last window would begin in the padding and is left out, which the shape
// inference of ONNX before opset 22 forgets.
func roundedInVain(n *ir.Node) bool {
	if n.Attrs.Int("ceil_mode", 0) == 0 || n.Attrs.String("auto_pad", "NOTSET") != "NOTSET" {
		return false
	}
	kernel, at := n.Attrs.Ints("kernel_shape"), func(name string, i int, otherwise int64) int64 {
		if v := n.Attrs.Ints(name); i < len(v) {
			return v[i]
		}
		return otherwise
	}
	in, out := n.In[0].Type, n.Out[0].Type
	if in.Rank() != len(kernel)+2 || out.Rank() != in.Rank() {
		return false
	}
	for i, k := range kernel {
		size, known := in.Shape[i+2].Num()
		span := size + at("pads", i, 0) + at("pads", i+len(kernel), 0) - at("dilations", i, 1)*(k-1) - 1
		if !known || span < 0 || !out.Shape[i+2].Is(span/max(at("strides", i, 1), 1)+1) { // a window may be larger than the picture
			return false
		}
	}
	return true
}

// likeType is the element type that a CastLike gives, Undefined if n is none or
// it is not known.
func likeType(n *ir.Node) ir.DType {
	if n.Op != (ir.OpName{Name: "CastLike"}) {
		return ir.Undefined
	}
	return n.In[1].Type.Elem
}

// castTo puts a Cast in the place of n.
func castTo(m *ir.Model, n *ir.Node, to ir.DType) error {
	b := m.At(m.Graph, n)
	b.Origin = "canonical <- " + n.String()
	m.Graph.Replace(n.Out[0], b.OpA("Cast", n.Attrs.With("to", int64(to)), n.In[0]), b)
	return b.Err()
}

// undoes reports whether the Transpose n undoes the Transpose first, as it does
// between two operators that want their channels elsewhere than the rest of the
// model has them.
func undoes(n, first *ir.Node) bool {
	p, q := n.Attrs.Ints("perm"), first.Attrs.Ints("perm")
	if len(p) == 0 || len(p) != len(q) {
		return len(p) == len(q) // both reverse all axes
	}
	for i, j := range p {
		if j < 0 || int(j) >= len(q) || q[j] != int64(i) {
			return false
		}
	}
	return true
}

package passes

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/lxtc/lxtc/ir"
)

// Widen computes what is half precision in float32.
var Widen = Pass{
	Name: "widen",
	Doc: "compute half precision models in float32\n\n" +
		"Relevance is a difference of large terms, and eight or eleven bits are too few for it. Weights stay as they are stored and go through a Cast; inputs are cast, and what is computed from them is float32. " +
		"The pass narrow gives the outputs their declared types back; relevance stays float32.",
	After: []string{"fold"},
	Run:   widen,
}

// Narrow undoes Widen at the outputs.
var Narrow = Pass{
	Name:  "narrow",
	Doc:   "cast the outputs of a half precision model back to their declared types",
	After: []string{"widen", "target", "seed", "relevance"},
	Run:   narrow,
}

func widen(c *Context, m *ir.Model) error {
	if !anyHalf(m.Graph) {
		return nil
	}
	w := &widener{c: c, m: m, g: m.Graph, weight: reach{}, twins: map[*ir.Value]*ir.Value{}, was: map[*ir.Value]ir.DType{}}
	if err := w.nodes(); err != nil {
		return err
	}
	c.declared = map[string]ir.DType{}
	for i, v := range m.Graph.Outputs {
		if v.Def == nil || w.weight[v] || !isHalf(v) && w.was[v] == ir.Undefined {
			continue
		}
		name, elem := v.Name, cmp.Or(w.was[v], v.Type.Elem)
		wide, err := w.wide(v, nil)
		if err != nil {
			return err
		}
		c.declared[name] = elem
		m.Graph.Outputs[i] = wide
	}
	return nil
}

// anyHalf reports whether a half precision value is an input or computed from
// one, not from weights alone.
func anyHalf(g *ir.Graph) bool {
	live := reach{}
	for _, v := range g.Inputs {
		if isHalf(v) {
			return true
		}
		live[v] = true
	}
	for n := range g.Nodes() {
		if !live.any(n.In) && !hasGraph(n) { // a graph reads what it likes
			continue
		}
		for _, v := range n.Out {
			if isHalf(v) {
				return true
			}
			if v != nil {
				live[v] = true
			}
		}
	}
	return false
}

func isHalf(v *ir.Value) bool {
	return v != nil && (v.Type.Elem == ir.Float16 || v.Type.Elem == ir.BFloat16)
}

type widener struct {
	c      *Context
	m      *ir.Model
	g      *ir.Graph
	weight reach                   // constants, and what is only moved of them: they stay half
	twins  map[*ir.Value]*ir.Value // float32 of values that stay half
	was    map[*ir.Value]ir.DType  // of values that have become float32
}

func (w *widener) nodes() error {
	for n := range w.g.Nodes() {
		if err := w.node(n); err != nil {
			return fmt.Errorf("%v: %w", n, err)
		}
	}
	return nil
}

// node makes n compute in float32. What only moves weights moves them as they
// are stored: a Gather of rows before the Cast is less work than after it.
func (w *widener) node(n *ir.Node) error {
	if foreign(n) {
		w.around(n)
		return nil
	}
	for sub := range n.Subgraphs() {
		if err := w.inside(sub); err != nil {
			return err
		}
	}
	if !slices.ContainsFunc(n.In, isHalf) && !slices.ContainsFunc(n.Out, isHalf) || w.moves(n) {
		return nil
	}
	for i, v := range n.In {
		wide, err := w.wide(v, n)
		if err != nil {
			return err
		}
		if wide != v {
			n.SetInput(i, wide)
		}
	}
	attrs, err := wideAttrs(n.Attrs)
	if err != nil {
		return err
	}
	n.Attrs = attrs
	w.retype(n.Out)
	w.c.Did("float32", n.String(), n.Op.String())
	return w.m.Reinfer(n)
}

// inside makes a graph inside a node compute in float32, from its inputs to its
// outputs.
func (w *widener) inside(g *ir.Graph) error {
	in := *w
	in.g, in.twins = g, maps.Clone(w.twins)
	in.retype(g.Inputs)
	if err := in.nodes(); err != nil {
		return err
	}
	for i, v := range g.Outputs {
		wide, err := in.wide(v, nil)
		if err != nil {
			return err
		}
		g.Outputs[i] = wide
	}
	return nil
}

// retype makes half precision values float32 as they stand.
func (w *widener) retype(vs []*ir.Value) {
	for _, v := range vs {
		if isHalf(v) {
			w.was[v] = v.Type.Elem
			v.Type.Elem = ir.Float
		}
	}
}

// moves reports whether n moves half precision weights and does nothing else:
// all of a weight, or rows of it that are not known before the graph runs.
func (w *widener) moves(n *ir.Node) bool {
	op := w.m.Ops.Lookup(n.Op)
	if op == nil || !op.Moves && n.Op.Name != "Constant" {
		return false
	}
	fixed := true
	for _, v := range n.In {
		stays := v == nil || v.IsConst() || w.weight[v]
		if isHalf(v) && !stays || v != nil && w.was[v] != ir.Undefined {
			return false
		}
		fixed = fixed && stays
	}
	for _, v := range n.Out {
		if fixed && v != nil {
			w.weight[v] = true
		}
	}
	return fixed || n.Op.Name == "Gather"
}

// foreign reports whether n is of a domain that lxtc knows nothing of: its
// operator may want half precision.
func foreign(n *ir.Node) bool {
	return !slices.Contains([]string{"", "com.microsoft", "lxt"}, n.Op.Domain)
}

// around leaves a foreign node in half precision: what it and its graphs read
// is cast back before it.
func (w *widener) around(n *ir.Node) {
	back := func(v *ir.Value) *ir.Value {
		if v == nil || w.was[v] == ir.Undefined {
			return v
		}
		return w.cast(v, n, w.was[v])
	}
	var visit func(inner *ir.Node)
	visit = func(inner *ir.Node) {
		for i, v := range inner.In {
			if half := back(v); half != v {
				inner.SetInput(i, half)
			}
		}
		for sub := range inner.Subgraphs() {
			for deeper := range sub.Nodes() {
				visit(deeper)
			}
			for i, v := range sub.Outputs {
				sub.Outputs[i] = back(v)
			}
		}
	}
	visit(n)
}

// wide returns v in float32: v itself unless it stays half; else a Cast before
// mark, of which there is one. The Cast of what is computed from inputs takes
// the name: it is what a user means who asks for its relevance.
func (w *widener) wide(v *ir.Value, mark *ir.Node) (*ir.Value, error) {
	if !isHalf(v) {
		return v, nil
	}
	if twin := w.twins[v]; twin != nil {
		return twin, nil
	}
	twin := w.cast(v, mark, ir.Float)
	if twin.Def == nil {
		return nil, fmt.Errorf("%s of type %s has no float32", v, v.Type)
	}
	w.twins[v] = twin
	twin.Def.Origin = widenOrigin + v.Name
	if v.Def == nil || v.Def.Graph() != w.g || w.weight[v] {
		w.g.Rename(twin, v.Name+"_float")
		return twin, nil
	}
	name := v.Name
	w.g.Rename(v, name+"_half")
	w.g.Rename(twin, name)
	twin.Aliases, v.Aliases = v.Aliases, nil
	return twin, nil
}

// widenOrigin begins the origin of the Cast of a value that stays half.
const widenOrigin = "widen <- "

func (w *widener) cast(v *ir.Value, mark *ir.Node, to ir.DType) *ir.Value {
	b := w.m.At(w.g, mark)
	b.Origin = "widen"
	if v.Def != nil {
		b.Scopes = v.Def.Scopes
	}
	w.c.Did("cast", v.Name, to.String())
	return b.OpA("Cast", ir.Attrs{{Name: "to", Value: int64(to)}}, v)
}

// wideAttrs returns attributes that name or hold float32 where they did half
// precision.
func wideAttrs(attrs ir.Attrs) (ir.Attrs, error) {
	out := slices.Clone(attrs)
	for i, a := range out {
		switch v := a.Value.(type) {
		case int64:
			named := slices.Contains([]string{"to", "dtype", "output_dtype", "stash_type", "softmax_precision"}, a.Name)
			if named && (v == int64(ir.Float16) || v == int64(ir.BFloat16)) {
				out[i].Value = int64(ir.Float)
			}
		case *ir.Tensor:
			if v.Elem != ir.Float16 && v.Elem != ir.BFloat16 {
				continue
			}
			xs, err := v.Float32s()
			if err != nil {
				return nil, err
			}
			out[i].Value = ir.Of(xs, v.Shape...)
		}
	}
	return out, nil
}

// inFloat32 returns the float32 that widen made of v, or v.
func inFloat32(v *ir.Value) *ir.Value {
	for _, u := range v.Uses() {
		if strings.HasPrefix(u.Node.Origin, widenOrigin) {
			return u.Node.Out[0]
		}
	}
	return v
}

// sourceName is what a user calls a source: an input of the graph keeps its
// name when its float32 is what relevance belongs to.
func sourceName(v *ir.Value) string {
	if v.Def != nil && strings.HasPrefix(v.Def.Origin, widenOrigin) && v.Def.In[0].Def == nil {
		return v.Def.In[0].Name
	}
	return v.Name
}

func narrow(c *Context, m *ir.Model) error {
	g := m.Graph
	for i, v := range g.Outputs {
		elem, ok := c.declared[v.Name]
		if !ok || v.Type.Elem == elem {
			continue
		}
		b := m.At(g, nil)
		b.Origin = "narrow <- " + v.Name
		y := b.OpA("Cast", ir.Attrs{{Name: "to", Value: int64(elem)}}, v)
		if err := b.Err(); err != nil {
			return err
		}
		name := v.Name
		g.Rename(v, name+"_float")
		g.Rename(y, name)
		g.Outputs[i] = y
		c.Did("cast", v.Name, elem.String())
	}
	return nil
}

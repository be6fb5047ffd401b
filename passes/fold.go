package passes

import (
	"fmt"
	"slices"
	"strings"

	"github.com/lxtc/lxtc/ir"
)

// Fold computes what is known before the graph runs.
var Fold = Pass{
	Name: "fold",
	Doc: "compute what is constant\n\n" +
		"Constant nodes become constants of the graph; nodes with constant inputs are computed; shape arithmetic whose result follows from types is replaced by its result. " +
		"Weights stay as they are: a result larger than 4 MiB, or a moved copy or one that a rule changes larger than 64 KiB, is not stored, and quantized weights are not unpacked.",
	Run: fold,
}

// foldLimit is the largest constant that folding makes, in bytes. Beyond it a
// model would carry a second copy of its weights.
const foldLimit = 4 << 20

// moveLimit is the same for what only moves data or unpacks half precision: a
// transposed weight is a copy that kernels do not need.
const moveLimit = 64 << 10

// unfoldable operators have constant inputs in ordinary models and must still
// run: random numbers, and 4-bit and 8-bit weights that stay packed.
var unfoldable = map[string]bool{
	"DequantizeLinear": true, "DequantizeBnb4": true, "RandomNormal": true, "RandomNormalLike": true, "RandomUniform": true,
	"RandomUniformLike": true, "Multinomial": true, "Bernoulli": true, "Dropout": true,
}

func fold(c *Context, m *ir.Model) error {
	for n := range m.Graph.Nodes() {
		if unfoldable[n.Op.Name] || len(n.Out) == 0 || hasGraph(n) {
			continue
		}
		data := foldKnown(n)
		if data == nil {
			data = foldEval(c, m, n)
		}
		if data == nil {
			refine(c, m, n)
			data = foldKnown(n) // by what refining found
		}
		if data == nil {
			continue
		}
		if err := replaceByConst(c, m, n, data); err != nil {
			return fmt.Errorf("%v: %w", n, err)
		}
	}
	return nil
}

// refine infers the types of n's outputs again: its inputs may be known better
// than when it was read. What does not fit is left to Verify.
func refine(c *Context, m *ir.Model, n *ir.Node) {
	if m.Ops.Lookup(n.Op) == nil || m.Func(n.Op) != nil {
		return
	}
	was := knowledge(n)
	_ = m.Reinfer(n)
	if now := knowledge(n); now != was {
		c.Did("type", n.String(), now)
	}
}

// knowledge describes what is known of n's outputs.
func knowledge(n *ir.Node) string {
	var sb strings.Builder
	for _, v := range n.Out {
		if v == nil {
			continue
		}
		fmt.Fprintf(&sb, "%s %v ", v.Type, v.Known)
		if v.Known != nil && len(v.Known) == 0 { // that there are no elements is knowledge, too
			sb.WriteString("none ")
		}
	}
	return strings.TrimSpace(sb.String())
}

func replaceByConst(c *Context, m *ir.Model, n *ir.Node, data []*ir.Tensor) error {
	g, from := m.Graph, n.String()
	for i, v := range n.Out {
		if v == nil || data[i] == nil {
			continue
		}
		if g.IsOutput(v) { // an output stays a node's: it keeps its name through an Identity
			if n.Op.Name == "Constant" || n.Op.Name == "Identity" {
				return nil
			}
			b := m.At(g, n)
			b.Origin = "fold <- " + from
			id := b.Op("Identity", g.Const(v.Name, data[i]))
			g.Replace(v, id, b)
			if err := b.Err(); err != nil {
				return err
			}
			continue
		}
		name := v.Name
		g.Rename(v, name+"_folded")
		k := g.Const(name, data[i])
		k.Aliases, v.Aliases = v.Aliases, nil
		g.ReplaceUses(v, k)
	}
	c.Did("constant", from, n.Op.Name)
	return g.Remove(n)
}

// foldKnown returns integer outputs whose elements follow from types: the
// shape of a tensor, and what is computed from it.
func foldKnown(n *ir.Node) []*ir.Tensor {
	if n.Op.Name == "Constant" {
		return nil
	}
	out := make([]*ir.Tensor, len(n.Out))
	for i, v := range n.Out {
		if v == nil {
			continue
		}
		t := knownTensor(v)
		if t == nil {
			return nil
		}
		out[i] = t
	}
	return out
}

func knownTensor(v *ir.Value) *ir.Tensor {
	rank := v.Type.Rank()
	if v.Known == nil || rank > 1 || rank < 0 || rank == 0 && len(v.Known) != 1 {
		return nil
	}
	ints := make([]int64, len(v.Known))
	for i, d := range v.Known {
		n, ok := d.Num()
		if !ok {
			return nil
		}
		ints[i] = n
	}
	shape := []int{len(ints)}
	if rank == 0 {
		shape = []int{}
	}
	switch v.Type.Elem {
	case ir.Int64:
		return ir.Of(ints, shape...)
	case ir.Int32:
		small := make([]int32, len(ints))
		for i, n := range ints {
			small[i] = int32(n)
		}
		return ir.Of(small, shape...)
	}
	return nil
}

// foldEval computes a node whose inputs are all constant; nil if they are not
// or the result is too large.
func foldEval(c *Context, m *ir.Model, n *ir.Node) []*ir.Tensor {
	if n.Op.Name == "Constant" {
		if t := n.Attrs.Tensor("value"); t != nil {
			return []*ir.Tensor{t}
		}
	}
	if c.Eval == nil {
		return nil
	}
	in := make([]*ir.Tensor, len(n.In))
	var size int64
	for i, v := range n.In {
		if v == nil {
			continue
		}
		if v.Data == nil {
			return nil
		}
		in[i] = v.Data
		size += int64(len(v.Data.Raw))
	}
	limit := int64(foldLimit)
	if op := m.Ops.Lookup(n.Op); op != nil && op.Moves || n.Op.Name == "Cast" && isHalf(n.In[0]) || changesWeight(n) {
		limit = moveLimit
	}
	if size > limit || !smallResult(n, limit) {
		return nil
	}
	out, err := c.Eval(n, in)
	if err != nil { // it will fail when it runs, with its name
		c.Skipped("constant", n.String(), err.Error())
		return nil
	}
	for _, t := range out {
		if t != nil && int64(len(t.Raw)) > limit {
			return nil
		}
	}
	return out
}

// changesWeight reports whether n is what a rule makes of a weight, element by
// element, and only products read it. They can do that to the piece that they are
// about to read; several rules would keep several copies of all weights.
func changesWeight(n *ir.Node) bool {
	switch n.Op.String() {
	case "Relu", "Min", "Max", "Abs":
	case "Mul":
		if n.In[0] != n.In[1] {
			return false
		}
	default:
		return false
	}
	return onlyMultiplied(n.Out[0])
}

// onlyMultiplied reports whether products are all that reads v, or its transpose.
func onlyMultiplied(v *ir.Value) bool {
	return v.NumUses() > 0 && !v.Def.Graph().IsOutput(v) && !slices.ContainsFunc(v.Uses(), func(u ir.Use) bool {
		switch u.Node.Op.String() {
		case "MatMul", "Gemm", "lxt.Linear":
			return u.Index != 1
		case "Transpose":
			return !onlyMultiplied(u.Node.Out[0])
		}
		return true
	})
}

func smallResult(n *ir.Node, limit int64) bool {
	for _, v := range n.Out {
		if v == nil {
			continue
		}
		if shape, ok := v.Type.Static(); ok {
			if size, err := ir.ByteSize(v.Type.Elem, shape); err == nil && size > limit {
				return false
			}
		}
	}
	return true
}

func hasGraph(n *ir.Node) bool {
	for range n.Subgraphs() {
		return true
	}
	return false
}

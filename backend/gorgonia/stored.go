package gorgonia

import (
	"slices"

	"github.com/lxtc/lxtc/backend/cpu"
	"github.com/lxtc/lxtc/ir"
)

// A stored is a tensor that is not there as float32s: products read it as it is
// stored and make float32s of a panel at a time (kernel_matmul_stored.go). A Value
// with one has shape, strides and offset in elements of the matrix.
type stored struct {
	cpu.Stored
	items []int // where each item of the first axis begins, if a Gather chose them; nil is by its stride
}

// Kept returns the values of a graph that take no memory in a run, because
// whoever reads them does so from a weight as it is stored: an unpacked weight, a
// function of one such as max(w, 0), a chosen expert.
func Kept(g *ir.Graph) map[*ir.Value]bool {
	kept := map[*ir.Value]bool{}
	k := newKeeping(g)
	for n := range k.kernels {
		for _, v := range n.Out {
			if v != nil && k.kept[v] {
				kept[v] = true
			}
		}
	}
	return kept
}

// keeping finds the nodes of a graph whose results need not be there.
type keeping struct {
	g       *ir.Graph
	kernels map[*ir.Node]kernel
	kept    map[*ir.Value]bool
	takes   map[*ir.Value]bool      // whether all readers of a value take a stored one
	roots   map[*ir.Value]*ir.Value // what a value is an elementwise function of
}

func newKeeping(g *ir.Graph) *keeping {
	k := &keeping{g: g, kernels: map[*ir.Node]kernel{}, kept: map[*ir.Value]bool{}, takes: map[*ir.Value]bool{}, roots: map[*ir.Value]*ir.Value{}}
	for n := range g.Nodes() {
		run, keeps := k.kernel(n)
		if run == nil {
			continue
		}
		k.kernels[n] = run
		for _, v := range n.Out {
			if v != nil {
				k.kept[v] = keeps
			}
		}
	}
	return k
}

// kernel returns the kernel of a node that keeps its result, or reads one that is
// kept in a way of its own; nil if it is another node.
func (k *keeping) kernel(n *ir.Node) (run kernel, keeps bool) {
	if firstType(n.Out).Elem != ir.Float || n.Input(0) == nil || hasGraph(n) {
		return nil, false
	}
	taken := k.allTaken(n)
	switch op := n.Op.String(); {
	case op == "Cast" && isHalf(n.In[0]) && taken:
		return storedHalf, true
	case op == "DequantizeLinear" && taken && ofSmallInts(n):
		return storedQuantized, true
	case op == coded && taken:
		return storedCoded, true
	case op == "Expand" && isNumber(n.In[0]) && taken:
		return storedNumber, true
	case elementwise(n) && taken:
		if root := k.root(n.Out[0]); root != n.Out[0] && (k.kept[root] || isLarge(root)) {
			return storedFunction, true
		}
	case choosesItems(n):
		keeps = taken && n.In[0].Type.Rank() > 2
		if k.kept[n.In[0]] || keeps && isLarge(n.In[0]) {
			return storedItems(keeps), keeps
		}
	case views[op] && k.kept[n.In[0]] && taken:
		return viewOfStored(fastKernel(n)), true
	}
	return nil, false
}

// withKernels gives steps the kernels of nodes that keep weights as they are stored.
func withKernels(steps []step, kept map[*ir.Node]kernel) []step {
	for i, st := range steps {
		if run := kept[st.n]; run != nil && st.nodes == 1 {
			steps[i].run = run
		}
	}
	return steps
}

// views are the operators whose result is a view of a stored weight.
var views = map[string]bool{
	"Identity": true, "Transpose": true, "Reshape": true, "Flatten": true, "Squeeze": true, "Unsqueeze": true, "Slice": true, "Split": true,
}

// taken reports whether all readers of v take a stored value.
func (k *keeping) taken(v *ir.Value) bool {
	yes, known := k.takes[v]
	if !known {
		yes = v.NumUses() > 0 && !k.g.IsOutput(v) && !slices.ContainsFunc(v.Uses(), func(u ir.Use) bool { return !k.reads(u) })
		k.takes[v] = yes
	}
	return yes
}

// allTaken reports whether all results of n that anybody reads are taken.
func (k *keeping) allTaken(n *ir.Node) bool {
	return !slices.ContainsFunc(n.Out, func(v *ir.Value) bool {
		return v != nil && (v.NumUses() > 0 || k.g.IsOutput(v)) && !k.taken(v)
	})
}

// reads reports whether a node takes a stored value for an input.
func (k *keeping) reads(u ir.Use) bool {
	n := u.Node
	if n.Graph() != k.g || fastKernel(n) == nil || u.Index >= len(n.In) {
		return false
	}
	switch op := n.Op.String(); {
	case op == "MatMul" || op == "lxt.Linear" || op == "Gemm":
		return u.Index < 2
	case op == "Conv" || op == "ConvTranspose": // which unpack it for the time of a call
		return u.Index == 1
	case op == "Shape":
		return true
	case views[op]:
		return u.Index == 0 && k.allTaken(n)
	case choosesItems(n):
		return u.Index == 0
	case op == "DequantizeLinear" && ofSmallInts(n) || op == coded: // halves for their scales
		return u.Index == 1 && k.taken(n.Out[0])
	case elementwise(n):
		return k.root(n.Out[0]) != n.Out[0] && !isBeside(n.In[u.Index], n.Out[0]) && k.taken(n.Out[0])
	}
	return false
}

// root returns the one value, besides numbers and vectors, that v is an elementwise
// function of: v itself if there is no other.
func (k *keeping) root(v *ir.Value) *ir.Value {
	if r := k.roots[v]; r != nil {
		return r
	}
	r := v
	if v.Def != nil && v.Def.Graph() == k.g && elementwise(v.Def) {
		var one *ir.Value
		for _, in := range v.Def.In {
			if isBeside(in, v) {
				continue
			}
			of := k.root(in)
			if one != nil && one != of {
				one = nil
				break
			}
			one = of
		}
		if one != nil && slices.EqualFunc(one.Type.Shape, v.Type.Shape, ir.Dim.Same) {
			r = one
		}
	}
	k.roots[v] = r
	return r
}

// elementwise reports whether n is an operator that a stored weight can go through.
func elementwise(n *ir.Node) bool {
	name := n.Op.String()
	_, one := unaries[name]
	_, two := binaries[name]
	return (one && len(n.In) == 1 || two && len(n.In) == 2) && !slices.Contains(n.In, nil) && n.Out[0] != nil && onlyFloat32(n)
}

// ofSmallInts reports whether n is a DequantizeLinear of integers that products read.
func ofSmallInts(n *ir.Node) bool {
	_, ok := smallInts[n.In[0].Type.Elem]
	return ok && dequantizes(n)
}

// choosesItems reports whether n takes items along the first axis of its input.
func choosesItems(n *ir.Node) bool {
	switch n.Op.String() {
	case "Gather":
		return axisOf(n.Attrs.Int("axis", 0), n.In[0].Type.Rank()) == 0
	case "GatherND":
		r := n.In[1].Type.Rank()
		return n.Attrs.Int("batch_dims", 0) == 0 && r > 0 && n.In[1].Type.Shape[r-1].Is(1)
	}
	return false
}

// constantOf returns the tensor of a constant, nil if v is none, or has not the
// bytes that its shape needs.
func constantOf(v *ir.Value) *ir.Tensor {
	if v == nil || !v.IsConst() {
		return nil
	}
	size, err := ir.ByteSize(v.Data.Elem, v.Data.Shape)
	if err != nil || int64(len(v.Data.Raw)) != size {
		return nil
	}
	return v.Data
}

func isHalf(v *ir.Value) bool { return v.Type.Elem == ir.Float16 || v.Type.Elem == ir.BFloat16 }

// isBeside reports whether v is a number, or one for each index of an axis of what
// is elementwise computed of it.
func isBeside(v, of *ir.Value) bool {
	if v.Type.Shape == nil || v.Type.Rank() > of.Type.Rank() {
		return false
	}
	return wide(v) == 0 || wide(v) == 1 && wide(of) > 1
}

// wide counts the axes of v that are not known to be 1.
func wide(v *ir.Value) int {
	k := 0
	for _, d := range v.Type.Shape {
		if !d.Is(1) {
			k++
		}
	}
	return k
}

// isNumber reports whether v is known to have one element.
func isNumber(v *ir.Value) bool {
	if v.Type.Shape == nil {
		return false
	}
	one := ir.Numel(v.Type.Shape)
	return one.Is(1)
}

// isLarge reports whether v is a constant of float32s, or a view of one, of which a
// copy is worth avoiding.
func isLarge(v *ir.Value) bool {
	for v.Def != nil && views[v.Def.Op.String()] {
		v = v.Def.In[0]
	}
	t := constantOf(v)
	return t != nil && t.Elem == ir.Float && len(t.Raw) >= 64<<10
}

package gorgonia

import (
	"slices"

	"github.com/lxtc/lxtc/ir"
)

// rows is a group of fused nodes: it runs all of them on a few rows of the operands,
// then on the next few. The kernels are those that compute whole tensors, on views,
// so that results are the same to the bit; what is between them never leaves the
// cache.
type rows struct {
	rank     int
	in, out  []*ir.Value // from and to outside of the group
	rowed    []bool      // inputs that have the group's leading axes; others are broadcast to them, or fixed
	fixed    []bool      // inputs that are no rows, however many axes they have: axes, sizes, weights
	ops      []rowOp
	uses     []int32  // by local number: reads within the group, and one more if it is kept
	local    []int    // local numbers of out
	measured []bool   // outputs to measure the bands of
	aliases  [][2]int // an output that may take the place of an input, by their indices
	prod     *product // what makes the first operand, if it is part of the group
	operands []int    // the inputs that the product reads
	narrow   bool     // columns where the product is not wanted can be left out
	sums     []int    // ... if these, one number a row, are finite
	kept     []int    // what lives until a block is done: local and sums
}

// rowOp is one node; its values have local numbers: first in, then the product's,
// then what the ops compute.
type rowOp struct {
	n      *ir.Node
	run    kernel    // on whole tensors
	rows   rowKernel // on a few rows
	ids    nodeIDs
	result int // index in rows.out of the first output, -1 if it stays inside
}

// step makes the step of a group.
func (f *fusing) step(g *group) step {
	r := &rows{rank: len(g.lead) + 1, prod: g.product}
	number := map[*ir.Value]int{}
	read := func(v *ir.Value) int {
		k, known := number[v]
		if !known {
			k = len(number)
			number[v] = k
			r.in, r.rowed, r.fixed = append(r.in, v), append(r.rowed, false), append(r.fixed, true)
		}
		return k
	}
	inside := map[*ir.Value]bool{}
	if r.prod != nil {
		inside[r.prod.n.Out[0]] = true
		for _, v := range r.prod.reads() {
			r.operands = append(r.operands, read(v))
		}
	}
	for _, n := range g.nodes {
		for _, v := range n.Out {
			inside[v] = true
		}
	}
	for _, n := range g.nodes {
		for _, v := range n.In {
			if v != nil && !inside[v] {
				read(v)
			}
		}
	}
	if r.prod != nil {
		number[r.prod.n.Out[0]] = len(number)
	}
	next := len(number)
	for _, n := range g.nodes {
		if renames(n, g) {
			number[n.Out[0]] = number[n.In[0]]
			continue
		}
		for _, v := range n.Out {
			number[v] = next
			next++
		}
	}
	r.uses = make([]int32, next)
	for _, n := range g.nodes {
		if renames(n, g) {
			if f.wanted(n.Out[0], g) {
				r.result(n.Out[0], number[n.Out[0]])
			}
			continue
		}
		op := rowOp{n: n, run: fastKernel(n), rows: rowKernelFor(n), result: -1}
		for i, v := range n.In {
			k := -1
			if v != nil {
				k = number[v]
				r.uses[k]++
			}
			op.ids.in = append(op.ids.in, k)
			if k >= 0 && k < len(r.in) && (i == 0 || pointwise[n.Op.Name] || n.Op.Name == "Concat") {
				r.fixed[k], r.rowed[k] = false, rowed(v, g.lead)
			}
		}
		for j, v := range n.Out {
			op.ids.out = append(op.ids.out, number[v])
			if f.wanted(v, g) {
				if j == 0 {
					op.result = len(r.out)
				}
				r.result(v, number[v])
			}
		}
		r.ops = append(r.ops, op)
	}
	for k := range r.given() {
		r.uses[k] += always // not the group's to overwrite or give back
	}
	r.narrow = r.prod != nil && r.zeroOutside()
	for _, k := range slices.Concat(r.local, r.sums) {
		if !slices.Contains(r.kept, k) {
			r.kept = append(r.kept, k)
			r.uses[k]++
		}
	}
	r.findAliases()
	nodes := len(g.nodes)
	if r.prod != nil {
		nodes++
	}
	return step{n: g.nodes[len(g.nodes)-1], nodes: nodes, in: r.in, out: r.out, run: r.run}
}

// renames reports whether n gives another name to a result of the group.
func renames(n *ir.Node, g *group) bool {
	return n.Op.Name == "Identity" && slices.Contains(g.nodes, n.In[0].Def)
}

// result adds a value to those that others read.
func (r *rows) result(v *ir.Value, k int) {
	r.out, r.local, r.measured = append(r.out, v), append(r.local, k), append(r.measured, multiplied(v))
}

// inPlace are the kernels that can write their result over their first operand, or
// over any operand of the result's shape if they have two.
func inPlace(n *ir.Node) bool {
	switch n.Op.Name {
	case "Softmax", "RMSNormalization":
		return true
	case "Swish":
		return n.Attrs.Float("alpha", 1) == 1
	case "Clip", "Where", "Identity":
		return false
	}
	return pointwise[n.Op.Name] && len(n.In) <= 2 // the third is read when the result of two is there
}

// findAliases finds outputs that may be written over an input: the kernel that
// computes the output can, and nobody later reads the input or a view of it.
func (r *rows) findAliases() {
	root := make([]int, len(r.uses)) // whose memory a value may be a view of
	lastRead := map[int]int{}
	for k := range root {
		root[k] = k
	}
	for at, op := range r.ops {
		for _, k := range op.ids.in {
			if k >= 0 {
				lastRead[root[k]] = at
			}
		}
		switch op.n.Op.Name {
		case "Identity", "Slice", "Split":
			for _, k := range op.ids.out {
				root[k] = root[op.ids.in[0]]
			}
		}
	}
	for _, k := range r.kept { // read when a block is done
		lastRead[root[k]] = len(r.ops)
	}
	for at, op := range r.ops {
		if op.result < 0 || !inPlace(op.n) {
			continue
		}
		for k := range r.given() {
			last, isRead := lastRead[k]
			viewed := slices.ContainsFunc(op.ids.in, func(i int) bool { return i >= 0 && i != k && root[i] == k })
			if isRead && last <= at && !viewed && (k >= len(r.in) || r.rowed[k]) {
				r.aliases = append(r.aliases, [2]int{op.result, k})
			}
		}
	}
}

// given is the number of values that the nodes get.
func (r *rows) given() int {
	if r.prod != nil {
		return len(r.in) + 1
	}
	return len(r.in)
}

// leading returns the leading axes that all rows have, nil if they disagree, or if
// what is to be broadcast to them cannot be: symbols may promise less than they seem to.
func (r *rows) leading(in []*Value) []int {
	var lead []int
	for i, v := range in {
		if i < len(r.in) && !r.rowed[i] {
			continue
		}
		if len(v.shape) != r.rank || lead != nil && !slices.Equal(lead, v.shape[:r.rank-1]) {
			return nil
		}
		lead = v.shape[:r.rank-1]
	}
	for i, v := range in[:len(r.in)] {
		if lead != nil && !r.rowed[i] && !r.fixed[i] && !spreads(v.shape, lead) {
			return nil
		}
	}
	return lead
}

// spreads reports whether a value of this shape, without its last axis, can be
// broadcast to the leading axes.
func spreads(shape, lead []int) bool {
	skip := len(lead) + 1 - len(shape)
	if skip < 0 {
		return false
	}
	for a, d := range shape[:max(len(shape)-1, 0)] {
		if d != 1 && d != lead[a+skip] {
			return false
		}
	}
	return true
}

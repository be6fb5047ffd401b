package passes

import (
	"fmt"
	"slices"
	"strings"

	"github.com/lxtc/lxtc/ir"
)

// Checkpoint trades computation for memory.
var Checkpoint = Pass{
	Name: "checkpoint",
	Doc: "keep what passes from block to block, and compute the rest again\n\n" +
		"Only if it is asked for. The forward pass is cut where little passes on: between the layers of a transformer, the blocks of a convnet. What relevance needs of the inside of a block is computed again, just before relevance enters that block from behind. " +
		"The cuts are those with which the values kept for relevance are fewest, sizes that only a run knows taken as 256. The result does not change, and the forward pass is paid for once more.",
	After: []string{"relevance", "legalize", "cse"},
	Run:   checkpoint,
}

func checkpoint(c *Context, m *ir.Model) error {
	if !c.Checkpoint {
		return nil
	}
	f, err := c.forwardPass(m)
	if err != nil || len(f.late) == 0 {
		return err
	}
	cuts := chooseCuts(f.held(), len(f.nodes))
	for k, to := range cuts { // what follows the last cut is needed at once
		from := -1
		if k > 0 {
			from = cuts[k-1]
		}
		if err := f.again(c, block{from, to}, cuts); err != nil {
			return err
		}
	}
	return nil
}

// forwardPass is the part of a graph that computes outputs, in order, and what
// relevance reads of it.
type forwardPass struct {
	m     *ir.Model
	nodes []*ir.Node
	at    map[*ir.Node]int    // places in nodes
	late  map[*ir.Node]int    // the other nodes, and their places
	holds map[*ir.Value]*held // what the memory of a value belongs to; nil for what is there anyway
}

// held is memory that a value of the forward pass takes.
type held struct {
	def, last int   // places of the node that computes it and of the last that reads it
	late      bool  // relevance reads it
	bytes     int64 // 0 if it stays whatever the cuts are
}

// passesCut reports whether h is computed before a cut and read behind it. A cut
// at p lies behind the node in place p.
func (h *held) passesCut(p int) bool { return h.def <= p && p < h.last }

// forwardPass finds the nodes that outputs other than relevance, and seeds, need.
// It orders them before all others.
func (c *Context) forwardPass(m *ir.Model) (*forwardPass, error) {
	g := m.Graph
	needed, err := c.targets(m)
	if err != nil {
		return nil, err
	}
	seeded := reach{}
	for v := range g.Values() {
		if strings.HasPrefix(v.Name, seedName("")) {
			needed = append(needed, v)
			seeded[v] = true
		}
	}
	for n := range g.Nodes() {
		if seeded.any(n.In) || seeded.any(n.Captured()) {
			for _, v := range n.Out {
				seeded[v] = true
			}
		}
	}
	for _, v := range g.Outputs {
		if !seeded[v] {
			needed = append(needed, v)
		}
	}
	forward := backward(m, needed)
	f := &forwardPass{m: m, at: map[*ir.Node]int{}, late: map[*ir.Node]int{}}
	for n := range g.Nodes() {
		if forward.any(n.Out) {
			f.at[n] = len(f.nodes)
			f.nodes = append(f.nodes, n)
		}
	}
	order := slices.Clone(f.nodes)
	for n := range g.Nodes() {
		if _, early := f.at[n]; !early {
			f.late[n] = len(f.late)
			order = append(order, n)
		}
	}
	if slices.Equal(order, slices.Collect(g.Nodes())) {
		return f, nil
	}
	c.Did("order", g.Name, "")
	return f, g.Reorder(order)
}

// few bytes are kept without asking: shapes, statistics, masks of one row.
const few = 16 << 10

// held measures the memory of the forward pass: one entry for each buffer, however
// many views of it there are.
func (f *forwardPass) held() []*held {
	g := f.m.Graph
	f.holds = map[*ir.Value]*held{}
	varies := reach{}
	for _, v := range g.Inputs {
		varies[v] = true
	}
	var all []*held
	for p, n := range f.nodes {
		if !varies.any(n.In) && !varies.any(n.Captured()) {
			continue // constants, and weights as they are unpacked
		}
		for _, v := range n.Out {
			if v == nil {
				continue
			}
			varies[v] = true
			h := &held{def: p, last: p, bytes: roughBytes(v.Type)}
			switch {
			case IsView(n):
				if h = f.holds[n.In[0]]; h == nil {
					continue
				}
			case h.bytes <= few || !repeatable(n):
				h.bytes = 0
			}
			f.holds[v] = h
			if h.def == p {
				all = append(all, h)
			}
		}
	}
	for v, h := range f.holds {
		if g.IsOutput(v) {
			h.bytes = 0
		}
		for _, u := range v.Uses() {
			p, early := f.at[u.Node]
			_, late := f.late[u.Node]
			switch {
			case early:
				h.last = max(h.last, p)
			case late:
				h.late = h.late || readsElements(u.Node)
			default: // a node of a subgraph
				h.bytes = 0
			}
		}
	}
	return all
}

// readsElements tells what needs a value from what needs its shape, which schedule
// moves up to where the value is.
func readsElements(n *ir.Node) bool { return n.Op.String() != "Shape" && n.Op.String() != "Size" }

// IsView reports whether n's result is, as a rule, the memory of its input.
func IsView(n *ir.Node) bool {
	switch n.Op.String() {
	case "Reshape", "Flatten", "Squeeze", "Unsqueeze", "Transpose", "Slice", "Split", "Expand", "Identity":
		return true
	}
	return false
}

// roughBytes is the size of a tensor whose unknown dimensions are 256.
func roughBytes(t ir.Type) int64 {
	n := int64(1)
	for _, d := range t.Shape {
		k, known := d.Num()
		if !known {
			k = 256 * max(d.N, 1)
		}
		if n *= max(k, 1); n > 1<<40 {
			return 1 << 40
		}
	}
	return n * int64(t.Elem.Bits()) / 8
}

// A block is the nodes behind one cut, up to another.
type block struct{ from, to int }

// again gives relevance copies of the values inside a block, in place of those
// that the forward pass computes.
func (f *forwardPass) again(c *Context, b block, cuts []int) error {
	inside := func(v *ir.Value) bool {
		h := f.holds[v]
		if h == nil || h.bytes == 0 || h.def <= b.from || h.def > b.to {
			return false
		}
		return !slices.ContainsFunc(cuts, h.passesCut)
	}
	var first *ir.Node // the first reader among the late ones
	var late []ir.Use
	needed := reach{}
	for _, n := range f.nodes[b.from+1 : b.to+1] {
		for _, v := range n.Out {
			if v == nil || !inside(v) {
				continue
			}
			for _, u := range v.Uses() {
				p, ok := f.late[u.Node]
				if !ok || !readsElements(u.Node) {
					continue
				}
				late = append(late, u)
				needed[v] = true
				if first == nil || p < f.late[first] {
					first = u.Node
				}
			}
		}
	}
	if first == nil {
		return nil
	}
	nodes := f.nodes[b.from+1 : b.to+1]
	for _, n := range slices.Backward(nodes) {
		if needed.any(n.Out) {
			for _, v := range n.In {
				needed[v] = needed[v] || inside(v)
			}
		}
	}
	build := f.m.At(f.m.Graph, first)
	copies := map[*ir.Value]*ir.Value{}
	for _, n := range nodes {
		if !needed.any(n.Out) {
			continue
		}
		in := slices.Clone(n.In)
		for i, v := range in {
			if again := copies[v]; again != nil {
				in[i] = again
			}
		}
		build.Origin, build.Scopes = "checkpoint <- "+n.String(), n.Scopes
		twin := build.Node(n.Op, n.Attrs, in...)
		if err := build.Err(); err != nil {
			return err
		}
		for i, v := range n.Out {
			if v != nil {
				copies[v] = twin.Out[i]
				twin.Out[i].Type = v.Type
			}
		}
	}
	for _, u := range late {
		u.Node.SetInput(u.Index, copies[u.Node.In[u.Index]])
	}
	c.Did("checkpoint", fmt.Sprintf("%d nodes", len(copies)), first.String())
	return nil
}

package gorgonia

import (
	"fmt"
	"hash/fnv"
	"runtime"
	"strconv"
	"strings"

	"github.com/lxtc/lxtc/ir"
	G "gorgonia.org/gorgonia"
)

// maxSegment is the largest number of nodes that are compiled together:
// compiling is quadratic, and 256 nodes take about 1.5 ms.
const maxSegment = 256

// minSegment is the number of nodes that are worth a segment: to run one takes about 30 µs by a profile,
// since Gorgonia does so on a thread of its own. A convnet's layers are of two or
// three nodes.
const minSegment = 16

// cut divides the nodes of a graph, in order, into runs of one layer each, or of
// several if they are short. A node of no module, such as a sum of relevance from
// several, belongs to the run it stands in.
func cut(g *ir.Graph) [][]*ir.Node {
	var runs [][]*ir.Node
	layer := ""
	for n := range g.Nodes() {
		l := layerOf(n)
		if len(n.Scopes) == 0 {
			l = layer
		}
		k := len(runs) - 1
		if k < 0 || l != layer && len(runs[k]) >= minSegment || len(runs[k]) >= maxSegment {
			runs, k = append(runs, nil), k+1
		}
		layer = l
		runs[k] = append(runs[k], n)
	}
	return runs
}

// layerOf returns the path of the innermost module with a number: "layers.3".
// Nodes of one layer have the same.
func layerOf(n *ir.Node) string {
	for _, s := range n.Scopes {
		cutAt := strings.IndexFunc(s.Name, func(r rune) bool { return '0' <= r && r <= '9' })
		if cutAt < 0 {
			continue
		}
		end := cutAt
		for end < len(s.Name) && '0' <= s.Name[end] && s.Name[end] <= '9' {
			end++
		}
		return s.Name[:end]
	}
	return ""
}

// A step is what one node of an ExprGraph does: a node of the IR, or several
// that are fused.
type step struct {
	n       *ir.Node // the last of them, which names the step
	nodes   int
	in, out []*ir.Value // nil where omitted
	run     kernel
}

func single(n *ir.Node) step { return step{n, 1, operands(n), n.Out, kernelFor(n)} }

// A plan is what a segment needs to be bound: its steps, and the number of each
// of their values in the whole program.
type plan struct {
	steps []step
	ids   []nodeIDs
	args  []int  // values that come from outside, in the order in which the segment meets them
	key   string // equal plans can share a segment
}

// planOf numbers the values of a run of steps. Two plans have the same key if
// their steps are connected in the same way. What the steps do need not be the
// same: a segment asks the plan that runs for its kernels and attributes.
func planOf(steps []step, id func(*ir.Value) int) *plan {
	p := &plan{steps: steps}
	var key strings.Builder
	local := map[int]int{}
	for _, st := range steps {
		fmt.Fprintf(&key, "%s(", st.n.Op)
		var ids nodeIDs
		for _, v := range st.in {
			k := -1
			if v != nil {
				k = id(v)
				if _, met := local[k]; !met {
					local[k] = len(local)
					p.args = append(p.args, k)
					fmt.Fprintf(&key, "%d:%d ", v.Type.Elem, v.Type.Rank())
				}
				fmt.Fprintf(&key, "%d,", local[k])
			} else {
				key.WriteString("_,")
			}
			ids.in = append(ids.in, k)
		}
		key.WriteString(")")
		for _, v := range st.out {
			k := -1
			if v != nil {
				k = id(v)
				local[k] = len(local)
				fmt.Fprintf(&key, "%d:%d ", v.Type.Elem, v.Type.Rank())
			} else {
				key.WriteString("_ ")
			}
			ids.out = append(ids.out, k)
		}
		key.WriteString("\n")
		p.ids = append(p.ids, ids)
	}
	p.key = key.String()
	return p
}

// A segment is an ExprGraph with its machine. It belongs to one session.
type segment struct {
	session *session
	vm      G.VM
	args    []*G.Node
}

// compile makes the segment of a plan. The plan's steps are the ones that the
// graph is made from; the session says which steps a run is about.
func (s *session) compile(p *plan) *segment {
	seg := &segment{session: s}
	b := &exprBuilder{g: G.NewGraph(), taken: map[uint32]bool{}}
	known := map[int]*G.Node{}
	if len(p.args) == 0 { // a machine refuses a graph without inputs
		none := ir.Type{Elem: ir.Float, Shape: []ir.Dim{}}
		v := &Value{elem: ir.Float, shape: []int{}, typ: nodeType(none), buf: &buffer{bytes: make([]byte, 4), borrowed: true}}
		G.WithValue(v)(b.input("none", none))
	}
	for at, st := range p.steps {
		var children G.Nodes
		for i, v := range st.in {
			if v == nil {
				continue
			}
			id := p.ids[at].in[i]
			if known[id] == nil {
				known[id] = b.input("v"+strconv.Itoa(id), v.Type)
				seg.args = append(seg.args, known[id])
			}
			children = append(children, known[id])
		}
		first := firstType(st.out)
		node := b.add(&op{seg: seg, at: at, pick: -1, id: fmt.Sprintf("%s#%d", st.n.Op, at), t: nodeType(first)}, first, children)
		if len(st.out) == 1 {
			known[p.ids[at].out[0]] = node
			continue
		}
		for i, v := range st.out {
			if v == nil || v.NumUses() == 0 {
				continue
			}
			pick := &op{seg: seg, at: at, pick: i, id: fmt.Sprintf("pick#%d.%d", at, i), t: nodeType(v.Type)}
			known[p.ids[at].out[i]] = b.add(pick, v.Type, G.Nodes{node})
		}
	}
	seg.vm = G.NewTapeMachine(b.g)
	// Its finalizer has memory of CUDA to free, of which there is none; and what is
	// part of a cycle, as the machine is by its ops, is never collected with one.
	runtime.SetFinalizer(seg.vm, nil)
	return seg
}

func firstType(out []*ir.Value) ir.Type {
	for _, v := range out {
		if v != nil {
			return v.Type
		}
	}
	return ir.Type{Elem: ir.Float}
}

// exprBuilder adds nodes to an ExprGraph and sees to it that their hashes are
// distinct: gorgonia.Compile takes nodes of equal hash for one.
type exprBuilder struct {
	g     *G.ExprGraph
	taken map[uint32]bool
}

// Shapes live in values; a node's shape only has to have the right rank.
func nominal(t ir.Type) []int {
	s := make([]int, max(t.Rank(), 0))
	for i := range s {
		s[i] = 1
	}
	return s
}

func (b *exprBuilder) input(name string, t ir.Type) *G.Node {
	for salt := ""; ; salt += "~" {
		n := G.NewUniqueNode(G.WithName(name+salt), G.WithType(nodeType(t)), G.WithShape(nominal(t)...), G.In(b.g))
		if h := n.Hashcode(); !b.taken[h] {
			b.taken[h] = true
			return n
		}
		b.g.RemoveNode(n)
	}
}

func (b *exprBuilder) add(o *op, t ir.Type, children G.Nodes) *G.Node {
	shape := nominal(t)
	base := o.id
	for salt := 1; b.taken[hashOf(o, shape, children)]; salt++ {
		o.id = base + "~" + strconv.Itoa(salt)
	}
	h := hashOf(o, shape, children)
	b.taken[h] = true
	n := G.NewUniqueNode(G.WithType(o.t), G.WithOp(o), G.WithChildren(children), G.In(b.g), G.WithShape(shape...))
	if n.Hashcode() != h {
		panic("gorgonia: this version of gorgonia.org/gorgonia hashes nodes in another way than hashOf, so that it could merge them")
	}
	return n
}

// hashOf predicts the hash of a node with this op, as gorgonia's node.go
// computes it.
func hashOf(o *op, shape []int, children G.Nodes) uint32 {
	h := fnv.New32a()
	fmt.Fprintf(h, "%v%v", o.t, tensorShape(shape))
	o.WriteHash(h)
	h.Write([]byte{byte(len(children))})
	for _, c := range children {
		k := c.Hashcode()
		h.Write([]byte{byte(k), byte(k >> 8), byte(k >> 16), byte(k >> 24)})
	}
	return h.Sum32()
}

package onnx

import (
	"container/heap"
	"strings"

	"github.com/lxtc/lxtc/internal/diag"
	pb "github.com/lxtc/lxtc/internal/onnxpb"
)

// sorted returns nodes in an order in which each comes after those whose
// outputs it reads, its subgraphs included. Files should have it already; where
// one has, the order is kept, and else the first ready node goes first.
func sorted(nodes []*pb.NodeProto) ([]*pb.NodeProto, error) {
	def := map[string]int{}
	for i, n := range nodes {
		for _, name := range n.GetOutput() {
			if name != "" {
				def[name] = i
			}
		}
	}
	reads := make([][]int, len(nodes)) // the nodes that a node reads, with repeats
	inOrder := true
	for i, n := range nodes {
		for name := range freeNames(n) {
			if j, ok := def[name]; ok {
				reads[i] = append(reads[i], j)
				inOrder = inOrder && j < i
			}
		}
	}
	if inOrder {
		return nodes, nil
	}
	order := topological(reads)
	if len(order) < len(nodes) {
		return nil, circle(nodes, reads, order)
	}
	out := make([]*pb.NodeProto, len(nodes))
	for i, k := range order {
		out[i] = nodes[k]
	}
	return out, nil
}

// topological orders 0..len(reads)-1 so that i comes after reads[i], smallest
// first. Numbers in a circle, or behind one, are left out.
func topological(reads [][]int) []int {
	waits := make([]int, len(reads))
	readers := make([][]int, len(reads))
	ready := &intHeap{}
	for i, js := range reads {
		waits[i] = len(js)
		for _, j := range js {
			readers[j] = append(readers[j], i)
		}
		if len(js) == 0 {
			*ready = append(*ready, i) // ascending, so a heap
		}
	}
	var order []int
	for ready.Len() > 0 {
		i := heap.Pop(ready).(int)
		order = append(order, i)
		for _, k := range readers[i] {
			if waits[k]--; waits[k] == 0 {
				heap.Push(ready, k)
			}
		}
	}
	return order
}

// circle names the nodes of one circle among those missing in order.
func circle(nodes []*pb.NodeProto, reads [][]int, order []int) error {
	done := make([]bool, len(nodes))
	for _, i := range order {
		done[i] = true
	}
	at := 0
	for done[at] {
		at++
	}
	// Every node that is left reads one that is left: walking back must repeat.
	path, place := []int{}, map[int]int{}
	for {
		if start, ok := place[at]; ok {
			path = path[start:]
			break
		}
		place[at] = len(path)
		path = append(path, at)
		for _, j := range reads[at] {
			if !done[j] {
				at = j
				break
			}
		}
	}
	names := make([]string, 0, 8)
	for _, i := range path[:min(len(path), 8)] {
		names = append(names, label(nodes[i]))
	}
	return diag.Errorf("LX1004", "%d nodes read each other's outputs in a circle: %s", len(path), strings.Join(names, " <- "))
}

// freeNames returns the names that a node reads, those that its subgraphs read
// from around them too.
func freeNames(n *pb.NodeProto) map[string]bool {
	free := map[string]bool{}
	for _, name := range n.GetInput() {
		if name != "" {
			free[name] = true
		}
	}
	for _, g := range subgraphs(n) {
		own := map[string]bool{}
		for _, v := range g.Input {
			own[v.GetName()] = true
		}
		for _, t := range g.Initializer {
			own[t.GetName()] = true
		}
		for _, t := range g.SparseInitializer {
			own[t.GetValues().GetName()] = true
		}
		for _, n := range g.Node {
			for _, name := range n.GetOutput() {
				own[name] = true
			}
		}
		for _, n := range g.Node {
			for name := range freeNames(n) {
				if !own[name] {
					free[name] = true
				}
			}
		}
		for _, v := range g.Output {
			if !own[v.GetName()] {
				free[v.GetName()] = true
			}
		}
	}
	return free
}

// subgraphs returns the graphs in a node's attributes.
func subgraphs(n *pb.NodeProto) []*pb.GraphProto {
	var gs []*pb.GraphProto
	for _, a := range n.GetAttribute() {
		if a.GetG() != nil {
			gs = append(gs, a.G)
		}
		gs = append(gs, a.GetGraphs()...)
	}
	return gs
}

// intHeap is a heap of numbers, smallest first.
type intHeap []int

func (h intHeap) Len() int           { return len(h) }
func (h intHeap) Less(i, j int) bool { return h[i] < h[j] }
func (h intHeap) Swap(i, j int)      { h[i], h[j] = h[j], h[i] }
func (h *intHeap) Push(x any)        { *h = append(*h, x.(int)) }
func (h *intHeap) Pop() any {
	old := *h
	x := old[len(old)-1]
	*h = old[:len(old)-1]
	return x
}

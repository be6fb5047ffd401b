package ir

import (
	"maps"
	"strconv"
)

// InnerNames returns other names for those values of graphs within g that have
// the name of a value of a graph around them. Such names are fine in memory,
// where a node holds the value itself; ONNX forbids them. Values that can keep
// their names are not in the map, so that it is nil for most graphs.
func InnerNames(g *Graph) map[*Value]string {
	var names map[*Value]string
	var visit func(g *Graph, outer map[string]bool)
	visit = func(g *Graph, outer map[string]bool) {
		var subs []*Graph
		for n := range g.Nodes() {
			for sub := range n.Subgraphs() {
				subs = append(subs, sub)
			}
		}
		if len(outer) == 0 && len(subs) == 0 {
			return
		}
		taken := maps.Clone(outer)
		if taken == nil {
			taken = map[string]bool{}
		}
		var clash []*Value
		for v := range g.Values() {
			if outer[v.Name] {
				clash = append(clash, v)
			}
			taken[v.Name] = true
		}
		for _, v := range clash {
			if names == nil {
				names = map[*Value]string{}
			}
			for i := 2; ; i++ {
				if s := v.Name + "_" + strconv.Itoa(i); !taken[s] {
					names[v], taken[s] = s, true
					break
				}
			}
		}
		for _, sub := range subs {
			visit(sub, taken)
		}
	}
	visit(g, nil)
	return names
}

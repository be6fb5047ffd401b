package ir

import "strconv"

// InnerNames returns other names for those values of graphs within g that have
// the name of a value of a graph around them. Such names are fine in memory,
// where a node holds the value itself; ONNX forbids them. Values that can keep
// their names are not in the map, which is empty for most graphs.
func InnerNames(g *Graph) map[*Value]string {
	names := map[*Value]string{}
	innerNames(g, nil, names)
	return names
}

// nameScope holds the names of a graph's values, within those around it.
type nameScope struct {
	up    *nameScope
	names map[string]bool
}

func (s *nameScope) has(name string) bool {
	for ; s != nil; s = s.up {
		if s.names[name] {
			return true
		}
	}
	return false
}

func innerNames(g *Graph, outer *nameScope, renamed map[*Value]string) {
	var subs []*Graph
	for n := range g.Nodes() {
		for sub := range n.Subgraphs() {
			subs = append(subs, sub)
		}
	}
	if outer == nil && len(subs) == 0 {
		return
	}
	scope := &nameScope{outer, make(map[string]bool, 2*g.len)}
	var clash []*Value
	for v := range g.Values() {
		if v == nil { // broken, and dumped to see why
			continue
		}
		if outer.has(v.Name) {
			clash = append(clash, v)
		}
		scope.names[v.Name] = true
	}
	for _, v := range clash {
		for i := 2; ; i++ {
			if s := v.Name + "_" + strconv.Itoa(i); !scope.has(s) {
				renamed[v], scope.names[s] = s, true
				break
			}
		}
	}
	for _, sub := range subs {
		innerNames(sub, scope, renamed)
	}
}

package tokenizer

import (
	"maps"
	"slices"
)

// trie finds the strings of a set that a text begins with. A node's edges lie together, sorted by byte.
type trie struct {
	nodes []node
	edges []edge
}

type node struct {
	id          int // -1: no piece ends here
	first, last int // the node's edges
}

type edge struct {
	c  byte
	to int
}

func newTrie(ids map[string]int) trie {
	pieces := slices.Sorted(maps.Keys(ids))
	var t trie
	type todo struct{ node, from, to, depth int }
	t.nodes = []node{{id: -1}}
	for queue := []todo{{0, 0, len(pieces), 0}}; len(queue) > 0; {
		d := queue[0]
		queue = queue[1:]
		i := d.from
		for i < d.to && len(pieces[i]) == d.depth {
			t.nodes[d.node].id = ids[pieces[i]]
			i++
		}
		t.nodes[d.node].first = len(t.edges)
		for i < d.to {
			j := i
			for j < d.to && pieces[j][d.depth] == pieces[i][d.depth] {
				j++
			}
			t.edges = append(t.edges, edge{pieces[i][d.depth], len(t.nodes)})
			queue = append(queue, todo{len(t.nodes), i, j, d.depth + 1})
			t.nodes = append(t.nodes, node{id: -1})
			i = j
		}
		t.nodes[d.node].last = len(t.edges)
	}
	return t
}

// prefixes calls f with the length and id of every piece that b starts with, the shortest first.
func (t *trie) prefixes(b []byte, f func(n, id int)) {
	if len(t.nodes) == 0 {
		return
	}
	at := 0
	for i, c := range b {
		edges := t.edges[t.nodes[at].first:t.nodes[at].last]
		k, ok := slices.BinarySearchFunc(edges, c, func(e edge, c byte) int { return int(e.c) - int(c) })
		if !ok {
			return
		}
		at = edges[k].to
		if id := t.nodes[at].id; id >= 0 {
			f(i+1, id)
		}
	}
}

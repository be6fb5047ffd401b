package rules

import "github.com/lxtc/lxtc/ir"

// maxGate bounds the nodes that are looked at between a factor and a gate that
// is computed from it: a squeeze-and-excitation block has five.
const maxGate = 64

// computedFrom reports whether v is computed from x by a few nodes. The
// nearest are looked at first.
func computedFrom(v, x *ir.Value) bool {
	next, seen := []*ir.Value{v}, map[*ir.Node]bool{}
	for len(next) > 0 && len(seen) < maxGate {
		v, next = next[0], next[1:]
		if v == x {
			return true
		}
		if v == nil || v.Def == nil || seen[v.Def] {
			continue
		}
		seen[v.Def] = true
		next = append(next, v.Def.In...)
	}
	return false
}

package gorgonia

import (
	"fmt"

	"github.com/lxtc/lxtc/ir"
)

// inputs returns the inputs of g in its order, with defaults for those that are
// left out. It reports inputs that are missing or do not fit what the graph
// declares. Symbols must stand for one number throughout, but in inputs that
// nothing reads; a dimension that is a product is left to the kernels.
func inputs(g *ir.Graph, in map[string]*ir.Tensor) ([]*ir.Tensor, error) {
	symbols := map[string]int{}
	ts := make([]*ir.Tensor, len(g.Inputs))
	for i, v := range g.Inputs {
		t := in[v.Name]
		if t == nil {
			t = v.Default
		}
		if t == nil {
			return nil, fmt.Errorf("input %q is missing", v.Name)
		}
		bound := symbols
		if v.NumUses() == 0 { // the cache, say, in the first of two merged decoders
			bound = map[string]int{}
		}
		if err := fits(t, v.Type, bound); err != nil {
			return nil, fmt.Errorf("input %q: %w", v.Name, err)
		}
		ts[i] = t
	}
	return ts, nil
}

func fits(t *ir.Tensor, want ir.Type, symbols map[string]int) error {
	if t.Elem != want.Elem && want.Elem != ir.Undefined { // which only a graph in an attribute may leave open
		return fmt.Errorf("got elements of type %s, want %s", t.Elem, want.Elem)
	}
	if t.Elem != ir.String { // whose elements are not bytes
		if _, err := ir.NewTensor(t.Elem, t.Shape, t.Raw); err != nil {
			return err
		}
	}
	if want.Shape == nil {
		return nil
	}
	if len(t.Shape) != len(want.Shape) {
		return fmt.Errorf("got shape %v, want %s", t.Shape, want)
	}
	for i, d := range want.Shape {
		if n, ok := d.Num(); ok && n != int64(t.Shape[i]) {
			return fmt.Errorf("got shape %v, want %s", t.Shape, want)
		}
		if d.Sym == "" || d != ir.Sym(d.Sym) {
			continue
		}
		if n, met := symbols[d.Sym]; met && n != t.Shape[i] {
			return fmt.Errorf("got shape %v, want %s, where %s is %d elsewhere", t.Shape, want, d.Sym, n)
		}
		symbols[d.Sym] = t.Shape[i]
	}
	return nil
}

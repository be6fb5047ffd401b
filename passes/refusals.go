package passes

import "github.com/lxtc/lxtc/internal/diag"

// refusals are errors over nodes, collected so that a user sees all of them at
// once.
type refusals []refusal

type refusal struct {
	err *diag.Error
	why string // what nodes that are refused for the same reason share
}

func (r *refusals) add(err *diag.Error, why string) { *r = append(*r, refusal{err, why}) }

// maxRefusals bounds the lines of one error.
const maxRefusals = 40

// err returns the first error. If there are more, it has a line for each kind of
// operator and reason.
func (r refusals) err() error {
	if len(r) == 0 {
		return nil
	}
	first := r[0].err
	if len(r) == 1 {
		return first
	}
	type kind struct{ op, why string }
	count, example := map[kind]int{}, map[kind]string{}
	var order []kind
	for _, x := range r {
		k := kind{x.err.Op, x.why}
		if count[k]++; count[k] == 1 {
			order, example[k] = append(order, k), x.err.Node
		}
	}
	for i, k := range order {
		if i == maxRefusals {
			first.Detail("%d more", len(order)-i)
			break
		}
		first.Detail("%s: %d nodes, for instance %s: %s", k.op, count[k], example[k], k.why)
	}
	return first
}

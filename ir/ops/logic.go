package ops

import (
	"fmt"

	"github.com/lxtc/lxtc/ir"
)

// logicOps compare and combine truth values and bits. Nothing flows through
// them: they have no derivative.
func logicOps() []*ir.Op {
	return []*ir.Op{
		comparison("Equal", 11, true, "x = y", func(d, e ir.Dim) (bool, bool) { return d.Same(e), d.Same(e) || d.Differ(e) }),
		comparison("Greater", 9, false, "x > y", order(func(x, y int64) bool { return x > y })),
		comparison("GreaterOrEqual", 12, false, "x ≥ y", order(func(x, y int64) bool { return x >= y })),
		comparison("Less", 9, false, "x < y", order(func(x, y int64) bool { return x < y })),
		comparison("LessOrEqual", 12, false, "x ≤ y", order(func(x, y int64) bool { return x <= y })),
		connective("And", "x and y", func(x, y bool) bool { return x && y }),
		connective("Or", "x or y", func(x, y bool) bool { return x || y }),
		connective("Xor", "either x or y", func(x, y bool) bool { return x != y }),
		not, test("IsNaN", 9, "whether x is not a number"), test("IsInf", 10, "whether x is an infinity"),
		bitwise("BitShift", 11, false, "x shifted by y bits"),
		bitwise("BitwiseAnd", 18, true, "the bits of both x and y"),
		bitwise("BitwiseOr", 18, true, "the bits of x or y"),
		bitwise("BitwiseXor", 18, true, "the bits of either x or y"),
		{
			Name: ir.OpName{Name: "BitwiseNot"}, Since: 18, Doc: "the bits that x has not",
			In: ir.P("X"), Out: ir.P("Y"), Infer: same,
		},
	}
}

// A verdict compares two dimensions, if what is known of them suffices.
type verdict func(d, e ir.Dim) (holds, known bool)

// order compares numbers.
func order(f func(x, y int64) bool) verdict {
	return func(d, e ir.Dim) (bool, bool) {
		x, ok := d.Num()
		y, ok2 := e.Num()
		return f(x, y), ok && ok2
	}
}

func comparison(name string, since int64, commutes bool, doc string, holds verdict) *ir.Op {
	return &ir.Op{
		Name: ir.OpName{Name: name}, Since: since, Doc: doc, Commutative: commutes,
		In: ir.P("A", "B"), Out: ir.P("C"),
		Infer: inferTruth,
		Known: func(n *ir.Node) [][]ir.Dim {
			known := zipDims(shortElems(n, 0), shortElems(n, 1), func(d, e ir.Dim) ir.Dim { return truth(holds(d, e)) })
			if name == "Equal" {
				known = withNegatives(n, known)
			}
			return [][]ir.Dim{known}
		},
	}
}

// withNegatives adds to what is known of Equal what negative numbers tell: they
// are equal to each other or not, and to no dimension. Exporters mark by -1
// what Expand is to keep.
func withNegatives(n *ir.Node, known []ir.Dim) []ir.Dim {
	var sides [2][]bound
	for i, v := range n.In {
		if v.Type.Shape == nil || !v.Type.Elem.IsInt() || shortElems(n, i) == nil {
			return known
		}
		if sides[i] = bounds(v); len(sides[i]) == 0 {
			return known
		}
	}
	x, y := sides[0], sides[1]
	size := max(len(x), len(y))
	if len(x) != size && len(x) != 1 || len(y) != size && len(y) != 1 {
		return known
	}
	if known == nil {
		known = unknownDims(size)
	}
	for i := range known {
		p, q := x[min(i, len(x)-1)], y[min(i, len(y)-1)]
		switch {
		case p.exact && q.exact:
			known[i] = truth(p.n == q.n, true)
		case p.exact && p.n < 0 && !q.d.IsUnknown(), q.exact && q.n < 0 && !p.d.IsUnknown():
			known[i] = ir.N(0)
		}
	}
	return known
}

// truth is a truth value as an element: 1, 0 or unknown.
func truth(holds, known bool) ir.Dim {
	switch {
	case !known:
		return ir.Unknown
	case holds:
		return ir.N(1)
	}
	return ir.N(0)
}

func inferTruth(n *ir.Node) ([]ir.Type, error) {
	t, err := broadcastType(n.In...)
	return []ir.Type{t.WithElem(ir.Bool)}, err
}

func connective(name, doc string, f func(x, y bool) bool) *ir.Op {
	return &ir.Op{
		Name: ir.OpName{Name: name}, Since: 7, Doc: doc, Commutative: true,
		In: ir.P("A", "B"), Out: ir.P("C"),
		Infer: func(n *ir.Node) ([]ir.Type, error) {
			if err := wantBool(n); err != nil {
				return nil, err
			}
			return inferTruth(n)
		},
		Known: func(n *ir.Node) [][]ir.Dim {
			return [][]ir.Dim{zipDims(truths(n.In[0]), truths(n.In[1]), func(d, e ir.Dim) ir.Dim {
				x, ok := d.Num()
				y, ok2 := e.Num()
				return truth(f(x != 0, y != 0), ok && ok2)
			})}
		},
	}
}

var not = &ir.Op{
	Name: ir.OpName{Name: "Not"}, Since: 1, Doc: "not x",
	In: ir.P("X"), Out: ir.P("Y"),
	Infer: func(n *ir.Node) ([]ir.Type, error) {
		if err := wantBool(n); err != nil {
			return nil, err
		}
		return same(n)
	},
	Known: func(n *ir.Node) [][]ir.Dim {
		ds := truths(n.In[0])
		return [][]ir.Dim{zipDims(ds, ds, func(d, _ ir.Dim) ir.Dim {
			x, ok := d.Num()
			return truth(x == 0, ok)
		})}
	},
}

// truths returns the known elements of a small boolean vector.
func truths(v *ir.Value) []ir.Dim {
	if len(v.Type.Shape) > 1 {
		return nil
	}
	return knownElems(v)
}

func wantBool(n *ir.Node) error {
	for _, v := range n.In {
		if v.Type.Elem != ir.Bool && v.Type.Elem != ir.Undefined {
			return fmt.Errorf("%s is of type %s, want bool", v, v.Type.Elem)
		}
	}
	return nil
}

func test(name string, since int64, doc string) *ir.Op {
	return &ir.Op{
		Name: ir.OpName{Name: name}, Since: since, Doc: doc,
		In: ir.P("X"), Out: ir.P("Y"),
		Infer: func(n *ir.Node) ([]ir.Type, error) { return one(n.In[0].Type.WithElem(ir.Bool)) },
	}
}

func bitwise(name string, since int64, commutes bool, doc string) *ir.Op {
	return &ir.Op{
		Name: ir.OpName{Name: name}, Since: since, Doc: doc, Commutative: commutes,
		In: ir.P("X", "Y"), Out: ir.P("Z"),
		Infer: inferBroadcast,
	}
}

package backendtest

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"

	"github.com/lxtc/lxtc/ir"
)

// moveCases are operators that copy elements, with elements of every type.
func moveCases() []*testCase {
	types := []ir.DType{
		ir.Float, ir.Double, ir.Float16, ir.BFloat16, ir.Int64, ir.Int32, ir.Int16, ir.Int8,
		ir.Uint64, ir.Uint32, ir.Uint16, ir.Uint8, ir.Bool,
	}
	var cases []*testCase
	for _, elem := range types {
		for i, draw := range moves {
			for j := range 3 {
				g := &draws{rand.New(rand.NewPCG(uint64(i), uint64(j)))}
				n := draw(g, elem)
				cases = append(cases, n.testCase(fmt.Sprintf("%s of %s %d", n.op, elem, j)))
			}
		}
	}
	return cases
}

var moves = []func(g *draws, elem ir.DType) node{
	func(g *draws, elem ir.DType) node { return of("Identity", nil, g.few(elem, g.shape(3)...)) },
	func(g *draws, elem ir.DType) node {
		s := g.shape(4)
		perm := make([]int64, len(s))
		for i, p := range g.Perm(len(s)) {
			perm[i] = int64(p)
		}
		return of("Transpose", attrs("perm", perm), g.few(elem, s...))
	},
	func(g *draws, elem ir.DType) node {
		s := g.full(1, 4)
		return of("Reshape", nil, g.few(elem, s...), pick(g, ints(-1), ints(0, -1), ints(int64(count(s)), 1), ints(1, -1, 1)))
	},
	func(g *draws, elem ir.DType) node {
		s := g.full(1, 4)
		return of("Flatten", attrs("axis", g.between(-len(s), len(s))), g.few(elem, s...))
	},
	func(g *draws, elem ir.DType) node {
		return of("Squeeze", nil, g.few(elem, 1, g.between(0, 3), 1, 2), pick(g, nil, ints(0), ints(-2), ints(2, 0)))
	},
	func(g *draws, elem ir.DType) node {
		return of("Unsqueeze", nil, g.few(elem, g.full(1, 2)...), pick(g, ints(0), ints(-1), ints(2, 0)))
	},
	func(g *draws, elem ir.DType) node {
		s := g.shape(3)
		wide := []int64{}
		for _, d := range s {
			wide = append(wide, int64(d))
		}
		return of("Expand", nil, g.few(elem, g.narrowed(s)...), ir.Of(wide, len(wide)))
	},
	func(g *draws, elem ir.DType) node {
		s := g.full(1, 3)
		_, a := g.axis(len(s))
		ends := []int64{-20, -3, -1, 0, 1, 4, 20, math.MaxInt64, math.MinInt64}
		steps := []int64{1, 1, 2, 5, -1, -2, math.MaxInt64, math.MinInt64}
		return of("Slice", nil, g.few(elem, s...), ints(pick(g, ends...)), ints(pick(g, ends...)), ints(a), ints(pick(g, steps...)))
	},
	func(g *draws, elem ir.DType) node {
		s := g.full(1, 3)
		a, written := g.axis(len(s))
		cut := g.between(0, s[a])
		n := of("Split", attrs("axis", int(written)), g.few(elem, s...), ints(int64(cut), int64(s[a]-cut)))
		n.outs = [][]bool{{true, true}, {true, false}, {false, true}}[g.IntN(3)]
		return n
	},
	func(g *draws, elem ir.DType) node {
		s := g.full(1, 3)
		a, written := g.axis(len(s))
		var in []*ir.Tensor
		for range g.between(1, 3) {
			part := slices.Clone(s)
			part[a] = g.between(0, 4)
			in = append(in, g.few(elem, part...))
		}
		return of("Concat", attrs("axis", int(written)), in...)
	},
	func(g *draws, elem ir.DType) node {
		s := g.full(1, 3)
		a, written := g.axis(len(s))
		return of("Gather", attrs("axis", int(written)), g.few(elem, s...), g.indices(pick(g, ir.Int64, ir.Int32), s[a], g.shape(2)...))
	},
	func(g *draws, elem ir.DType) node {
		s := g.shape(2)
		return of("Where", nil, g.few(ir.Bool, g.narrowed(s)...), g.few(elem, g.narrowed(s)...), g.few(elem, g.narrowed(s)...))
	},
	func(g *draws, elem ir.DType) node {
		return of("ConstantOfShape", attrs("value", g.few(elem, 1)), ints(int64(g.between(0, 3)), int64(g.between(1, 5))))
	},
	func(g *draws, elem ir.DType) node {
		s := g.full(1, 3)
		var before, after []int64
		for range s {
			before, after = append(before, int64(g.between(-1, 2))), append(after, int64(g.between(0, 2)))
		}
		return of("Pad", nil, g.few(elem, s...), ints(append(before, after...)...), pick(g, nil, g.few(elem)))
	},
	func(g *draws, elem ir.DType) node {
		s := g.full(1, 3)
		var times []int64
		for range s {
			times = append(times, int64(g.between(0, 3)))
		}
		return of("Tile", nil, g.few(elem, s...), ints(times...))
	},
}

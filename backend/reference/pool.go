package reference

import (
	"math"

	"github.com/lxtc/lxtc/ir"
	"github.com/lxtc/lxtc/ir/ops"
)

func maxPool(n *ir.Node, in []*Array) ([]*Array, error) {
	x := in[0]
	batch, channels, space, err := spatial(x)
	if err != nil {
		return nil, err
	}
	m, err := movesOf(n, space, nil)
	if err != nil {
		return nil, err
	}
	shape := append([]int{batch, channels}, m.out...)
	out, err := alloc(x.Elem, shape...)
	if err != nil {
		return nil, err
	}
	index, plane := NewArray(ir.Int64, shape...), count(space)
	for i := range count(shape) {
		first := i / len(m.reads) * plane
		best := -1
		for _, j := range m.reads[i%len(m.reads)] {
			if j >= 0 && (best < 0 || greater(x, first+j, best)) {
				best = first + j
			}
		}
		if best < 0 { // nothing but padding
			if x.F != nil {
				out.F[i] = math.Inf(-1)
			}
			continue
		}
		put(out, i, x, best)
		index.I[i] = int64(best)
		if n.Attrs.Int("storage_order", 0) != 0 {
			index.I[i] = int64(first + columnMajor(best-first, space))
		}
	}
	return []*Array{out, index}, nil
}

// greater reports whether element i of x is greater than element j, which it is
// not if they are equal: the first of them is the largest.
func greater(x *Array, i, j int) bool {
	if x.F != nil {
		return x.F[i] > x.F[j]
	}
	return x.I[i] > x.I[j]
}

// columnMajor turns the number of an element in row-major order into that in
// column-major order.
func columnMajor(i int, shape []int) int {
	j := 0
	scale := count(shape)
	for k := len(shape) - 1; k >= 0; k-- {
		scale /= shape[k]
		j += i % shape[k] * scale
		i /= shape[k]
	}
	return j
}

func averagePool(n *ir.Node, in []*Array) ([]*Array, error) {
	_, _, space, err := spatial(in[0])
	if err != nil {
		return nil, err
	}
	ws, err := ops.Windows(n, space, nil)
	if err != nil {
		return nil, err
	}
	padding := n.Attrs.Int("count_include_pad", 0) != 0
	return pool(n, in[0], func(at []int, xs []float64) float64 {
		sum := total(xs)
		for k, w := range ws {
			sum /= float64(w.Count(at[k], padding))
		}
		return sum
	})
}

func lpPool(n *ir.Node, in []*Array) ([]*Array, error) {
	p := float64(n.Attrs.Int("p", 2))
	return pool(n, in[0], func(_ []int, xs []float64) float64 {
		sum := 0.0
		for _, x := range xs {
			sum += math.Pow(math.Abs(x), p)
		}
		return math.Pow(sum, 1/p)
	})
}

// pool applies f to what each window holds, padding left out, and to its
// position.
func pool(n *ir.Node, x *Array, f func(at []int, xs []float64) float64) ([]*Array, error) {
	batch, channels, space, err := spatial(x)
	if err != nil {
		return nil, err
	}
	m, err := movesOf(n, space, nil)
	if err != nil {
		return nil, err
	}
	out, err := alloc(x.Elem, append([]int{batch, channels}, m.out...)...)
	if err != nil {
		return nil, err
	}
	plane := count(space)
	var xs []float64
	for i, at := range each(out.Shape) {
		xs = xs[:0]
		for _, j := range m.reads[i%len(m.reads)] {
			if j >= 0 {
				xs = append(xs, x.F[i/len(m.reads)*plane+j])
			}
		}
		out.F[i] = f(at[2:], xs)
	}
	return []*Array{out}, nil
}

// globalPool applies f to all of space.
func globalPool(f func(xs []float64) float64) kernel {
	return func(n *ir.Node, in []*Array) ([]*Array, error) {
		batch, channels, space, err := spatial(in[0])
		if err != nil {
			return nil, err
		}
		shape := []int{batch, channels}
		for range space {
			shape = append(shape, 1)
		}
		out, plane := NewArray(in[0].Elem, shape...), count(space)
		for i := range out.F {
			out.F[i] = f(in[0].F[i*plane : (i+1)*plane])
		}
		return []*Array{out}, nil
	}
}

func average(xs []float64) float64 { return total(xs) / float64(len(xs)) }

func total(xs []float64) float64 {
	sum := 0.0
	for _, x := range xs {
		sum += x
	}
	return sum
}

func largest(xs []float64) float64 {
	m := math.Inf(-1)
	for _, x := range xs {
		m = max(m, x)
	}
	return m
}

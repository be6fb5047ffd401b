package reference

import (
	"fmt"
	"slices"

	"github.com/lxtc/lxtc/ir"
	"github.com/lxtc/lxtc/ir/ops"
)

var matmulKernels = map[string]kernel{
	"MatMul":     matMul,
	"Gemm":       gemm,
	"Einsum":     einsum,
	"lxt.Linear": linear,
}

func matMul(n *ir.Node, in []*Array) ([]*Array, error) { return one(product(in[0], in[1])) }

// product is NumPy's matmul.
func product(x, w *Array) (*Array, error) {
	if len(x.Shape) == 0 || len(w.Shape) == 0 {
		return nil, fmt.Errorf("operands have shapes %v and %v, want rank 1 or more", x.Shape, w.Shape)
	}
	a, b := x.Shape, w.Shape
	if len(a) == 1 {
		a = []int{1, a[0]}
	}
	if len(b) == 1 {
		b = []int{b[0], 1}
	}
	la, lb := a[:len(a)-2], b[:len(b)-2]
	rows, inner, cols := a[len(a)-2], a[len(a)-1], b[len(b)-1]
	if inner != b[len(b)-2] {
		return nil, fmt.Errorf("operands have shapes %v and %v: inner dimensions differ", x.Shape, w.Shape)
	}
	lead, err := broadcastShape(&Array{Shape: la}, &Array{Shape: lb})
	if err != nil {
		return nil, err
	}
	shape := slices.Clone(lead)
	if len(x.Shape) > 1 {
		shape = append(shape, rows)
	}
	if len(w.Shape) > 1 {
		shape = append(shape, cols)
	}
	out, err := alloc(x.Elem, shape...)
	if err != nil {
		return nil, err
	}
	p, q := stretched(&Array{Shape: la}, lead), stretched(&Array{Shape: lb}, lead)
	for i, at := range each(lead) {
		o, u, v := i*rows*cols, dot(at, p)*rows*inner, dot(at, q)*inner*cols
		if x.F != nil {
			multiply(out.F[o:], x.F[u:], w.F[v:], rows, inner, cols)
		} else {
			multiply(out.I[o:], x.I[u:], w.I[v:], rows, inner, cols)
		}
	}
	for i, v := range out.I {
		out.I[i] = fit(out.Elem, v)
	}
	return out, nil
}

// multiply adds the product of a (rows × inner) and b (inner × cols) to out.
func multiply[T int64 | float64](out, a, b []T, rows, inner, cols int) {
	for i := range rows {
		line := out[i*cols : (i+1)*cols]
		for k := range inner {
			x, row := a[i*inner+k], b[k*cols:(k+1)*cols]
			for j := range row {
				line[j] += x * row[j]
			}
		}
	}
}

// gemm is alpha · A B + beta · C. Of integers, alpha and beta must be 1.
func gemm(n *ir.Node, in []*Array) ([]*Array, error) {
	sides := make([]*Array, 2)
	for i, trans := range []string{"transA", "transB"} {
		sides[i] = in[i]
		if len(in[i].Shape) != 2 {
			return nil, fmt.Errorf("operand %d has shape %v, want rank 2", i, in[i].Shape)
		}
		if n.Attrs.Int(trans, 0) != 0 {
			sides[i] = transposed(in[i])
		}
	}
	y, err := product(sides[0], sides[1])
	if err != nil {
		return nil, err
	}
	y = scaled(y, attribute(n, "alpha"))
	if c := arg(in, 2); c != nil {
		return elementwiseKernels["Add"](n, []*Array{y, scaled(c, attribute(n, "beta"))})
	}
	return []*Array{y}, nil
}

func transposed(a *Array) *Array {
	rows, cols := a.Shape[0], a.Shape[1]
	out := NewArray(a.Elem, cols, rows)
	for i := range rows {
		for j := range cols {
			put(out, j*rows+i, a, i*cols+j)
		}
	}
	return out
}

func scaled(a *Array, f float64) *Array {
	out := NewArray(a.Elem, a.Shape...)
	for i, x := range a.F {
		out.F[i] = x * f
	}
	for i, x := range a.I {
		out.I[i] = fit(a.Elem, int64(float64(x)*f))
	}
	return out
}

func linear(n *ir.Node, in []*Array) ([]*Array, error) {
	y, err := product(in[0], in[1])
	if err != nil || arg(in, 2) == nil {
		return one(y, err)
	}
	return elementwiseKernels["Add"](n, []*Array{y, in[2]})
}

// einsum runs over all labels at once, those of the output first.
func einsum(n *ir.Node, in []*Array) ([]*Array, error) {
	ranks := make([]int, len(in))
	for i, a := range in {
		ranks[i] = len(a.Shape)
	}
	e, err := ops.ParseEquation(n.Attrs.String("equation", ""), ranks)
	if err != nil {
		return nil, err
	}
	labels := slices.Clone(e.Out)
	dims := map[rune]int{}
	for i, term := range e.In {
		for k, l := range term {
			d := in[i].Shape[k]
			old, seen := dims[l]
			switch {
			case !seen || old == 1:
				dims[l] = d
			case d != 1 && d != old:
				return nil, fmt.Errorf("equation %q: label %q stands for dimensions %d and %d", n.Attrs.String("equation", ""), l, old, d)
			}
			if !slices.Contains(labels, l) {
				labels = append(labels, l)
			}
		}
	}
	shape := make([]int, len(labels))
	for i, l := range labels {
		shape[i] = dims[l]
	}
	out, err := alloc(in[0].Elem, shape[:len(e.Out)]...)
	if err != nil {
		return nil, err
	}
	steps := labelSteps(e, in, labels)
	result := slices.Clone(shape)
	for i := len(e.Out); i < len(result); i++ {
		result[i] = 1
	}
	to := stretched(&Array{Shape: result}, shape)
	for _, at := range each(shape) {
		o := dot(at, to)
		if out.F != nil {
			out.F[o] += productAt(in, steps, at, func(a *Array) []float64 { return a.F })
		} else {
			out.I[o] = fit(out.Elem, out.I[o]+productAt(in, steps, at, func(a *Array) []int64 { return a.I }))
		}
	}
	return []*Array{out}, nil
}

// labelSteps returns, for every input, how far apart its elements are along
// each label.
func labelSteps(e *ops.Equation, in []*Array, labels []rune) [][]int {
	out := make([][]int, len(in))
	for i, a := range in {
		out[i] = make([]int, len(labels))
		for k, step := range stretched(a, a.Shape) {
			out[i][slices.Index(labels, e.In[i][k])] += step
		}
	}
	return out
}

func productAt[T int64 | float64](in []*Array, steps [][]int, at []int, elems func(a *Array) []T) T {
	p := T(1)
	for i, a := range in {
		p *= elems(a)[dot(at, steps[i])]
	}
	return p
}

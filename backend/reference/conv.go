package reference

import (
	"fmt"

	"github.com/lxtc/lxtc/ir"
	"github.com/lxtc/lxtc/ir/ops"
)

var convKernels = map[string]kernel{
	"Conv":              conv,
	"ConvTranspose":     convTranspose,
	"MaxPool":           maxPool,
	"AveragePool":       averagePool,
	"LpPool":            lpPool,
	"GlobalAveragePool": globalPool(average),
	"GlobalMaxPool":     globalPool(largest),
	"Resize":            resize,
}

// moves is how windows move over a plane, the spatial axes taken together.
type moves struct {
	in, out []int // spatial shapes
	taps    int   // of a window

	// reads lists, for each position, what its taps read: elements of the plane
	// in row-major order, -1 for padding. For ConvTranspose positions are
	// elements of the input and the taps write elements of the output.
	reads [][]int
}

func movesOf(n *ir.Node, space, kernel []int) (*moves, error) {
	ws, err := ops.Windows(n, space, kernel)
	if err != nil {
		return nil, err
	}
	m := &moves{}
	var size []int
	for _, w := range ws {
		m.in, m.out, size = append(m.in, w.In), append(m.out, w.Out), append(size, w.Kernel)
	}
	positions, plane := m.out, m.in
	if n.Op.Name == "ConvTranspose" {
		positions, plane = m.in, m.out
	}
	if err := checkShape(append(append([]int{}, positions...), size...)); err != nil {
		return nil, err
	}
	m.taps = count(size)
	step := steps(plane)
	m.reads = make([][]int, count(positions))
	for p, at := range each(positions) {
		m.reads[p] = make([]int, m.taps)
		for t, tap := range each(size) {
			j := 0
			for k, w := range ws {
				i := w.At(at[k], tap[k])
				if i < 0 || i >= plane[k] {
					j = -1
					break
				}
				j += i * step[k]
			}
			m.reads[p][t] = j
		}
	}
	return m, nil
}

// spatial returns the batch and channel dimensions of x and the others.
func spatial(x *Array) (batch, channels int, space []int, err error) {
	if len(x.Shape) < 3 {
		return 0, 0, nil, fmt.Errorf("shape %v, want three dimensions or more", x.Shape)
	}
	return x.Shape[0], x.Shape[1], x.Shape[2:], nil
}

func conv(n *ir.Node, in []*Array) ([]*Array, error) {
	x, w, bias := in[0], in[1], arg(in, 2)
	batch, channels, space, err := spatial(x)
	if err != nil {
		return nil, err
	}
	groups := int(n.Attrs.Int("group", 1))
	if len(w.Shape) != len(x.Shape) || groups < 1 || w.Shape[1]*groups != channels || w.Shape[0]%groups != 0 {
		return nil, fmt.Errorf("input of shape %v and weights of shape %v do not fit in %d groups", x.Shape, w.Shape, groups)
	}
	m, err := movesOf(n, space, w.Shape[2:])
	if err != nil {
		return nil, err
	}
	out, err := alloc(x.Elem, append([]int{batch, w.Shape[0]}, m.out...)...)
	if err != nil {
		return nil, err
	}
	plane, deep, wide := count(space), w.Shape[1], w.Shape[0]/groups
	for i, at := range each([]int{batch, w.Shape[0], count(m.out)}) {
		b, o, p := at[0], at[1], at[2]
		sum := 0.0
		if bias != nil {
			sum = bias.F[o]
		}
		for c := range deep {
			from := x.F[(b*channels+o/wide*deep+c)*plane:][:plane]
			weights := w.F[(o*deep+c)*m.taps:][:m.taps]
			for t, j := range m.reads[p] {
				if j >= 0 {
					sum += weights[t] * from[j]
				}
			}
		}
		out.F[i] = sum
	}
	return []*Array{out}, nil
}

func convTranspose(n *ir.Node, in []*Array) ([]*Array, error) {
	x, w, bias := in[0], in[1], arg(in, 2)
	batch, channels, space, err := spatial(x)
	if err != nil {
		return nil, err
	}
	groups := int(n.Attrs.Int("group", 1))
	if len(w.Shape) != len(x.Shape) || groups < 1 || w.Shape[0] != channels || channels%groups != 0 {
		return nil, fmt.Errorf("input of shape %v and weights of shape %v do not fit in %d groups", x.Shape, w.Shape, groups)
	}
	m, err := movesOf(n, space, w.Shape[2:])
	if err != nil {
		return nil, err
	}
	wide, deep := w.Shape[1], channels/groups
	out, err := alloc(x.Elem, append([]int{batch, wide * groups}, m.out...)...)
	if err != nil {
		return nil, err
	}
	plane := count(m.out)
	for i, at := range each([]int{batch, channels, count(space)}) {
		b, c, p := at[0], at[1], at[2]
		for o := range wide {
			to := out.F[(b*wide*groups+c/deep*wide+o)*plane:][:plane]
			weights := w.F[(c*wide+o)*m.taps:][:m.taps]
			for t, j := range m.reads[p] {
				if j >= 0 {
					to[j] += weights[t] * x.F[i]
				}
			}
		}
	}
	if bias != nil {
		for i := range out.F {
			out.F[i] += bias.F[i/plane%(wide*groups)]
		}
	}
	return []*Array{out}, nil
}

package reference

import (
	"fmt"
	"slices"

	"github.com/lxtc/lxtc/ir"
)

func pad(n *ir.Node, in []*Array) ([]*Array, error) {
	x, pads, fill := in[0], in[1].I, arg(in, 2)
	axes, err := axesOf(ints(in, 3), len(x.Shape))
	if err != nil {
		return nil, err
	}
	if len(pads) != 2*len(axes) {
		return nil, fmt.Errorf("%d pads for %d axes", len(pads), len(axes))
	}
	mode := n.Attrs.String("mode", "constant")
	shape, before := slices.Clone(x.Shape), make([]int, len(x.Shape))
	for i, k := range axes {
		b, e := pads[i], pads[i+len(axes)]
		if max(b, e) > maxElems || min(b, e) < -maxElems {
			return nil, fmt.Errorf("pads %v are too large", pads)
		}
		before[k] = int(b)
		shape[k] += int(b + e)
		if x.Shape[k] == 0 && mode != "constant" && shape[k] > 0 {
			return nil, fmt.Errorf("mode %s has nothing to repeat along axis %d of shape %v", mode, k, x.Shape)
		}
	}
	fold, err := padFold(mode)
	if err != nil {
		return nil, err
	}
	step := steps(x.Shape)
	return one(pick(x, shape, fill, func(at []int) int {
		j := 0
		for k, i := range at {
			i, ok := fold(i-before[k], x.Shape[k])
			if !ok {
				return -1
			}
			j += i * step[k]
		}
		return j
	}))
}

// padFold returns a function that maps an index, possibly outside [0, dim), to
// the one inside that a mode repeats there, if there is one.
func padFold(mode string) (func(i, dim int) (int, bool), error) {
	switch mode {
	case "constant":
		return func(i, dim int) (int, bool) { return i, 0 <= i && i < dim }, nil
	case "edge":
		return func(i, dim int) (int, bool) { return min(max(i, 0), dim-1), true }, nil
	case "wrap":
		return func(i, dim int) (int, bool) { return (i%dim + dim) % dim, true }, nil
	case "reflect":
		return func(i, dim int) (int, bool) {
			period := max(2*(dim-1), 1)
			i = (i%period + period) % period
			return min(i, period-i), true
		}, nil
	}
	return nil, fmt.Errorf("unknown mode %q", mode)
}

// centerCropPad crops or pads around the middle; the odd element is at the end.
func centerCropPad(n *ir.Node, in []*Array) ([]*Array, error) {
	x, target := in[0], in[1].I
	axes, err := axesOf(n.Attrs.Ints("axes"), len(x.Shape))
	if err != nil {
		return nil, err
	}
	if len(target) != len(axes) {
		return nil, fmt.Errorf("%d sizes for %d axes", len(target), len(axes))
	}
	shape, first := slices.Clone(x.Shape), make([]int, len(x.Shape))
	for i, k := range axes {
		if target[i] < 0 || target[i] > maxElems {
			return nil, fmt.Errorf("no shape %v", target)
		}
		shape[k] = int(target[i])
		if d := x.Shape[k] - shape[k]; d > 0 {
			first[k] = d / 2
		} else {
			first[k] = -(-d / 2)
		}
	}
	step := steps(x.Shape)
	return one(pick(x, shape, nil, func(at []int) int {
		j := 0
		for k, i := range at {
			i += first[k]
			if i < 0 || i >= x.Shape[k] {
				return -1
			}
			j += i * step[k]
		}
		return j
	}))
}

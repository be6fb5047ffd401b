package ops

import (
	"fmt"

	"github.com/lxtc/lxtc/ir"
)

// A Window is how a convolution or a pool moves along one spatial axis of In
// elements: Out positions, Kernel taps each. For ConvTranspose it is the other
// way round: In positions, each of which writes Kernel elements of Out.
type Window struct {
	Kernel, Stride, Dilation int
	Before, After            int // padding at the start and the end
	In, Out                  int
}

// At returns the element that tap k of a position reads (or writes, for
// ConvTranspose). It may lie in the padding: below 0, or at In (Out) and above.
func (w Window) At(position, k int) int { return position*w.Stride - w.Before + k*w.Dilation }

// Reach returns the number of elements from a window's first tap to its last.
func (w Window) Reach() int { return (w.Kernel-1)*w.Dilation + 1 }

// Count returns the number of taps of a position that read an element; those
// that read padding count as well if padding is set.
func (w Window) Count(position int, padding bool) int {
	lo, hi := 0, w.In
	if padding {
		lo, hi = -w.Before, w.In+w.After
	}
	// Tap k reads base + k*Dilation: count the k below hi, less those below lo.
	base := w.At(position, 0)
	below := func(end int) int { return min(max((end-base+w.Dilation-1)/w.Dilation, 0), w.Kernel) }
	return max(below(hi)-below(lo), 0)
}

// Windows returns the windows of a Conv, ConvTranspose, MaxPool, AveragePool or
// LpPool node over spatial axes of the given sizes. The kernel's sizes are
// those of the weights; nil takes the attribute kernel_shape.
func Windows(n *ir.Node, in, kernel []int) ([]Window, error) {
	g, err := geometryOf(n, len(in), kernel)
	if err != nil {
		return nil, err
	}
	ws := make([]Window, len(in))
	for i, d := range in {
		if ws[i], err = g.resolve(i, d); err != nil {
			return nil, fmt.Errorf("spatial axis %d: %w", i, err)
		}
	}
	return ws, nil
}

// geometry is the attributes of such a node, with defaults filled in.
type geometry struct {
	transposed, ceil bool
	auto             string
	axes             []Window // padding as given; In and Out are not known yet
	outPad, outShape []int    // ConvTranspose only
}

// maxExtent bounds kernels, strides, dilations, pads and dimensions, so that
// arithmetic with them does not overflow.
const maxExtent = 1 << 30

func geometryOf(n *ir.Node, rank int, kernel []int) (*geometry, error) {
	g := &geometry{
		transposed: n.Op.Name == "ConvTranspose",
		ceil:       n.Attrs.Int("ceil_mode", 0) != 0,
		auto:       n.Attrs.String("auto_pad", "NOTSET"),
		axes:       make([]Window, rank),
	}
	if kernel == nil {
		if !n.Attrs.Has("kernel_shape") {
			return nil, fmt.Errorf("attribute kernel_shape is missing")
		}
		var err error
		if kernel, err = extents(n, "kernel_shape", rank, 1, 1); err != nil {
			return nil, err
		}
	}
	stride, err := extents(n, "strides", rank, 1, 1)
	if err != nil {
		return nil, err
	}
	dilation, err := extents(n, "dilations", rank, 1, 1)
	if err != nil {
		return nil, err
	}
	pads, err := extents(n, "pads", 2*rank, 0, 0)
	if err != nil {
		return nil, err
	}
	if len(kernel) != rank {
		return nil, fmt.Errorf("kernel %v for %d spatial axes", kernel, rank)
	}
	for i := range g.axes {
		if kernel[i] < 1 || kernel[i] > maxExtent {
			return nil, fmt.Errorf("kernel %v", kernel)
		}
		g.axes[i] = Window{Kernel: kernel[i], Stride: stride[i], Dilation: dilation[i], Before: pads[i], After: pads[rank+i]}
	}
	switch g.auto {
	case "NOTSET", "":
		g.auto = "NOTSET"
	case "VALID", "SAME_UPPER", "SAME_LOWER":
		for i := range g.axes {
			g.axes[i].Before, g.axes[i].After = 0, 0
		}
	default:
		return nil, fmt.Errorf("unknown auto_pad %q", g.auto)
	}
	if !g.transposed {
		return g, nil
	}
	if g.outPad, err = extents(n, "output_padding", rank, 0, 0); err != nil {
		return nil, err
	}
	if n.Attrs.Has("output_shape") {
		g.outShape, err = extents(n, "output_shape", rank, 0, 0)
	}
	return g, err
}

// extents returns a list attribute whose elements are at least low, or rank
// times def if it is absent.
func extents(n *ir.Node, name string, rank, low, def int) ([]int, error) {
	xs := n.Attrs.Ints(name)
	out := make([]int, rank)
	if len(xs) == 0 {
		for i := range out {
			out[i] = def
		}
		return out, nil
	}
	if len(xs) != rank {
		return nil, fmt.Errorf("%s %v: want %d numbers", name, xs, rank)
	}
	for i, x := range xs {
		if x < int64(low) || x > maxExtent {
			return nil, fmt.Errorf("%s %v: want numbers from %d to %d", name, xs, low, maxExtent)
		}
		out[i] = int(x)
	}
	return out, nil
}

// resolve returns the window along spatial axis i of d elements.
func (g *geometry) resolve(i, d int) (Window, error) {
	w := g.axes[i]
	w.In = d
	switch {
	case d > maxExtent:
		return w, fmt.Errorf("%d elements are too many", d)
	case g.transposed:
		return g.resolveTransposed(i, w)
	case g.same():
		w.Out = (d + w.Stride - 1) / w.Stride
		w.Before, w.After = g.distribute(max((w.Out-1)*w.Stride+w.Reach()-d, 0), g.auto == "SAME_UPPER")
		return w, nil
	}
	room := d + w.Before + w.After - w.Reach()
	if room < 0 && !g.ceil || room <= -w.Stride {
		return w, fmt.Errorf("a window of %d elements exceeds %d with padding %d and %d", w.Reach(), d, w.Before, w.After)
	}
	if !g.ceil {
		w.Out = room/w.Stride + 1
		return w, nil
	}
	w.Out = (room+w.Stride-1)/w.Stride + 1
	if (w.Out-1)*w.Stride >= d+w.Before { // the last window would lie in the padding
		w.Out--
	}
	return w, nil
}

func (g *geometry) resolveTransposed(i int, w Window) (Window, error) {
	full := (w.In-1)*w.Stride + w.Reach() + g.outPad[i]
	switch {
	case g.outShape != nil:
		w.Out = g.outShape[i]
	case g.same():
		w.Out = min(w.In*w.Stride, full) // ONNX Runtime adds nothing to a kernel shorter than the stride
	default:
		w.Out = full - w.Before - w.After
		if w.Out < 0 {
			return w, fmt.Errorf("padding %d and %d exceeds the %d elements of the output", w.Before, w.After, full)
		}
		return w, nil
	}
	w.Before, w.After = g.distribute(max(full-w.Out, 0), g.auto == "SAME_UPPER")
	return w, nil
}

func (g *geometry) same() bool { return g.auto == "SAME_UPPER" || g.auto == "SAME_LOWER" }

// distribute halves padding; the odd element is at the end if late.
func (g *geometry) distribute(total int, late bool) (before, after int) {
	if late {
		return total / 2, total - total/2
	}
	return total - total/2, total / 2
}

// outDim returns the size of the output along spatial axis i, symbolic where
// the input's is and the window divides it evenly.
func (g *geometry) outDim(i int, d ir.Dim) (ir.Dim, error) {
	if n, ok := d.Num(); ok {
		w, err := g.resolve(i, int(min(n, maxExtent+1)))
		if err != nil {
			return ir.Unknown, fmt.Errorf("spatial axis %d: %w", i, err)
		}
		return ir.N(int64(w.Out)), nil
	}
	w := g.axes[i]
	s := ir.N(int64(w.Stride))
	pad := w.Before + w.After
	switch {
	case g.outShape != nil:
		return ir.N(int64(g.outShape[i])), nil
	case g.transposed && (g.same() && g.outPad[i]+w.Reach() >= w.Stride || g.outPad[i]+w.Reach()-pad == w.Stride):
		return d.Mul(s), nil
	case g.transposed:
		return ir.Unknown, nil
	case g.same():
		return d.Div(s), nil
	}
	// With d = s*e, the output is e + floor((pad-reach)/s) + 1.
	over := pad - w.Reach()
	if g.ceil {
		over += w.Stride - 1
	}
	if over < 0 && over >= -w.Stride {
		return d.Div(s), nil
	}
	return ir.Unknown, nil
}

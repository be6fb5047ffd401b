package reference

import (
	"fmt"
	"math"

	"github.com/lxtc/lxtc/ir"
	"github.com/lxtc/lxtc/ir/ops"
)

var sampleKernels = map[string]kernel{
	"RoiAlign":   roiAlign,
	"DeformConv": deformConv,
}

// roiAlign samples each bin of a region at a grid of points and takes their
// mean. By mode max it takes the largest weighted pixel of all points, as ONNX
// Runtime does and the onnx package's test wants.
func roiAlign(n *ir.Node, in []*Array) ([]*Array, error) {
	x, rois, batch := in[0], in[1], in[2]
	if len(x.Shape) != 4 || len(rois.Shape) != 2 || rois.Shape[1] != 4 || batch.Len() != rois.Shape[0] {
		return nil, fmt.Errorf("shape %v, regions of shape %v and %d batch indices do not fit", x.Shape, rois.Shape, batch.Len())
	}
	channels, h, w := x.Shape[1], x.Shape[2], x.Shape[3]
	rows, cols := int(n.Attrs.Int("output_height", 1)), int(n.Attrs.Int("output_width", 1))
	scale, ratio := float64(n.Attrs.Float("spatial_scale", 1)), int(n.Attrs.Int("sampling_ratio", 0))
	half := n.Attrs.String("coordinate_transformation_mode", "half_pixel") == "half_pixel"
	largest := n.Attrs.String("mode", "avg") == "max"
	out, err := alloc(x.Elem, rois.Shape[0], channels, rows, cols)
	if err != nil {
		return nil, err
	}
	side := func(from, to float64, bins int) (start, bin float64, points int) {
		start, size := from*scale, (to-from)*scale
		if half {
			start -= 0.5
		} else {
			size = max(size, 1)
		}
		points = ratio
		if points == 0 {
			points = int(math.Ceil(size / float64(bins)))
		}
		return start, size / float64(bins), max(points, 0)
	}
	for i, at := range each(out.Shape) {
		b, err := indexOf(batch.I[at[0]], x.Shape[0])
		if err != nil {
			return nil, err
		}
		roi := rois.F[at[0]*4:][:4]
		x0, binW, nx := side(roi[0], roi[2], cols)
		y0, binH, ny := side(roi[1], roi[3], rows)
		if nx*ny > maxElems {
			return nil, fmt.Errorf("%d points in a bin", nx*ny)
		}
		plane := x.F[(b*channels+at[1])*h*w:][:h*w]
		sum, most := 0.0, math.Inf(-1)
		for p := range nx * ny {
			py := y0 + (float64(at[2])+(float64(p/nx)+0.5)/float64(ny))*binH
			px := x0 + (float64(at[3])+(float64(p%nx)+0.5)/float64(nx))*binW
			for _, v := range corners(plane, h, w, py, px) {
				sum += v
				most = max(most, v)
			}
		}
		switch {
		case nx*ny == 0:
		case largest:
			out.F[i] = most
		default:
			out.F[i] = sum / float64(nx*ny)
		}
	}
	return []*Array{out}, nil
}

// corners are the four pixels around a point, weighted. Up to a pixel outside
// the image, the nearest pixels of it count; beyond, nothing does.
func corners(plane []float64, h, w int, y, x float64) [4]float64 {
	if y < -1 || y > float64(h) || x < -1 || x > float64(w) {
		return [4]float64{}
	}
	ends := func(p float64, size int) (lo, hi int, t float64) {
		p = max(p, 0)
		if lo = int(p); lo >= size-1 {
			return size - 1, size - 1, 0
		}
		return lo, lo + 1, p - float64(lo)
	}
	y1, y2, ty := ends(y, h)
	x1, x2, tx := ends(x, w)
	return [4]float64{
		plane[y1*w+x1] * (1 - ty) * (1 - tx), plane[y1*w+x2] * (1 - ty) * tx,
		plane[y2*w+x1] * ty * (1 - tx), plane[y2*w+x2] * ty * tx,
	}
}

// deformConv is conv with an offset, and a factor, for every tap of every
// position.
func deformConv(n *ir.Node, in []*Array) ([]*Array, error) {
	x, w, offset, bias, mask := in[0], in[1], in[2], arg(in, 3), arg(in, 4)
	batch, channels, space, err := spatial(x)
	if err != nil {
		return nil, err
	}
	groups, offsets := int(n.Attrs.Int("group", 1)), int(n.Attrs.Int("offset_group", 1))
	if len(w.Shape) != len(x.Shape) || groups < 1 || offsets < 1 || channels%offsets != 0 || w.Shape[1]*groups != channels || w.Shape[0]%groups != 0 {
		return nil, fmt.Errorf("input of shape %v and weights of shape %v do not fit in %d groups, %d of offsets", x.Shape, w.Shape, groups, offsets)
	}
	ws, err := ops.Windows(n, space, w.Shape[2:])
	if err != nil {
		return nil, err
	}
	axes, taps := len(space), count(w.Shape[2:])
	made := make([]int, axes)
	for k, win := range ws {
		made[k] = win.Out
	}
	out, err := alloc(x.Elem, append([]int{batch, w.Shape[0]}, made...)...)
	if err != nil {
		return nil, err
	}
	positions, plane, deep, wide := count(made), count(space), w.Shape[1], w.Shape[0]/groups
	if offset.Len() != batch*offsets*taps*axes*positions || mask != nil && mask.Len() != batch*offsets*taps*positions {
		return nil, fmt.Errorf("offsets of shape %v do not fit an output of shape %v", offset.Shape, out.Shape)
	}
	at := make([]float64, axes)
	for i, o := range each(out.Shape) {
		b, p := o[0], i%positions
		sum := 0.0
		if bias != nil {
			sum = bias.F[o[1]]
		}
		for c := range deep {
			channel := o[1]/wide*deep + c
			group := b*offsets + channel/(channels/offsets)
			from := x.F[(b*channels+channel)*plane:][:plane]
			for t, tap := range each(w.Shape[2:]) {
				for k, win := range ws {
					at[k] = float64(win.At(o[2+k], tap[k])) + offset.F[((group*taps+t)*axes+k)*positions+p]
				}
				v := interpolated(from, space, at)
				if mask != nil {
					v *= mask.F[(group*taps+t)*positions+p]
				}
				sum += v * w.F[(o[1]*deep+c)*taps+t]
			}
		}
		out.F[i] = sum
	}
	return []*Array{out}, nil
}

// interpolated is linear between the elements of a plane, which is 0 outside.
func interpolated(plane []float64, space []int, at []float64) float64 {
	sum := 0.0
	for corner := range 1 << len(at) {
		weight, j := 1.0, 0
		for k, p := range at {
			lo := math.Floor(p)
			i, t := int(lo), p-lo
			if corner>>k&1 == 1 {
				i, weight = i+1, weight*t
			} else {
				weight *= 1 - t
			}
			if i < 0 || i >= space[k] {
				weight = 0
				break
			}
			j = j*space[k] + i
		}
		if weight != 0 {
			sum += weight * plane[j]
		}
	}
	return sum
}

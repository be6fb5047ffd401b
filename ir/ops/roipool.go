package ops

import (
	"fmt"
	"math"

	"github.com/lxtc/lxtc/ir"
)

// maxRoiPool divides each region of an image into bins and keeps the largest
// element of each. A region is [image, x1, y1, x2, y2], rounded to pixels, both ends
// inside. The largest of a bin is that of the largest of its rows: first rows are
// chosen, then columns.
var maxRoiPool = &ir.Op{
	Name: ir.OpName{Name: "MaxRoiPool"}, Since: 1, Fused: true, Doc: "the largest elements of the bins of regions of images",
	In: ir.P("X", "rois"), Out: ir.P("Y"),
	Infer: func(n *ir.Node) ([]ir.Type, error) {
		x, rois, bins := n.In[0].Type, n.In[1].Type, n.Attrs.Ints("pooled_shape")
		switch {
		case len(bins) != 2 || bins[0] < 1 || bins[1] < 1 || bins[0] > maxUnrolled/bins[1]/8:
			return nil, fmt.Errorf("pooled_shape is %d, want two positive numbers", bins)
		case x.Shape != nil && len(x.Shape) != 4 || rois.Shape != nil && len(rois.Shape) != 2:
			return nil, fmt.Errorf("input X is %s and the regions %s, want rank 4 and 2", x, rois)
		}
		return one(withDims(x, []ir.Dim{dimOf(n.In[1], 0), dimOf(n.In[0], 1), ir.N(bins[0]), ir.N(bins[1])}))
	},
	Body: func(b *ir.Builder, n *ir.Node) []*ir.Value {
		bins, like := n.Attrs.Ints("pooled_shape"), n.In[1]
		column := func(i int64) *ir.Value { // of the regions, [R, 1]
			return b.Op("Slice", n.In[1], b.Ints(i), b.Ints(i+1), b.Ints(1))
		}
		pixel := func(i int64) *ir.Value { // none is negative
			scaled := b.Scale(column(i), attr(n, "spatial_scale", 1))
			return b.Op("Floor", b.Add(scaled, b.Scalar(0.5, like)))
		}
		image := b.Op("Reshape", asInt64(b, column(0)), b.Ints(-1))
		x := b.Op("Gather", n.In[0], image) // [R, C, H, W]
		low := b.Scalar(math.Inf(-1), x)
		// bin is the largest of bin i along axis 2 of v. The axes others are not those
		// of regions and pixels.
		bin := func(v *ir.Value, i, count int64, first, last *ir.Value, others ...int64) *ir.Value {
			size := b.Op("Max", b.Add(b.Sub(last, first), b.Scalar(1, like)), b.Scalar(1, like))
			each := b.Div(size, b.Scalar(float64(count), like))
			from := b.Add(b.Op("Floor", b.Scale(each, float64(i))), first)
			to := b.Add(b.Op("Ceil", b.Scale(each, float64(i+1))), first)
			at := castTo(b, upTo(b, v, 2), like)
			inside := b.Op("And", b.Op("GreaterOrEqual", at, from), b.Op("Less", at, to)) // [R, size]
			inside = b.Op("Unsqueeze", inside, b.Ints(others...))
			return b.OpA("ReduceMax", ir.Attrs{{Name: "keepdims", Value: int64(0)}}, b.Op("Where", inside, v, low), b.Ints(2))
		}
		left, top, right, bottom := pixel(1), pixel(2), pixel(3), pixel(4)
		rows := make([]*ir.Value, bins[0])
		for i := range rows {
			row := bin(x, int64(i), bins[0], top, bottom, 1, 3) // [R, C, W]
			columns := make([]*ir.Value, bins[1])
			for j := range columns {
				columns[j] = bin(row, int64(j), bins[1], left, right, 1) // [R, C]
			}
			rows[i] = stack(b, columns, 2, ir.Type{})
		}
		y := stack(b, rows, 2, ir.Type{})
		return []*ir.Value{b.Op("Where", b.Op("Equal", y, low), b.Scalar(0, y), y)} // a bin without a pixel
	},
}

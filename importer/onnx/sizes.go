package onnx

import (
	"maps"
	"slices"
	"strings"

	"github.com/lxtc/lxtc/internal/diag"
	pb "github.com/lxtc/lxtc/internal/onnxpb"
)

// Sizes gives numbers to dimensions of the inputs that the file has names for, such
// as "batch" or "sequence_length". What follows from them in the model follows
// from the numbers then: a layer that goes from token to token, say, can be written
// out. A name that no input has is an error.
func Sizes(sizes map[string]int64) Option { return func(o *options) { o.sizes = sizes } }

// setSizes puts the numbers into g.
func setSizes(g *pb.GraphProto, sizes map[string]int64) error {
	if len(sizes) == 0 || g == nil {
		return nil
	}
	found, left := map[string]bool{}, maps.Clone(sizes)
	for _, v := range g.Input {
		for _, d := range v.GetType().GetTensorType().GetShape().GetDim() {
			name := d.GetDimParam()
			size, ok := sizes[name]
			if name != "" {
				found[name] = true
			}
			if !ok || name == "" {
				continue
			}
			if size < 0 {
				return diag.Errorf("LX1012", "dimension %q cannot be %d", name, size)
			}
			d.Value = &pb.TensorShapeProto_Dimension_DimValue{DimValue: size}
			delete(left, name)
		}
	}
	if len(left) == 0 {
		return nil
	}
	e := diag.Errorf("LX1012", "no input has a dimension %q", slices.Sorted(maps.Keys(left))[0])
	if len(found) == 0 {
		return e.Help("the model's inputs are of fixed sizes")
	}
	return e.Help("there are %s", strings.Join(slices.Sorted(maps.Keys(found)), ", "))
}

package onnx

import (
	"testing"

	pb "github.com/lxtc/lxtc/internal/onnxpb"
)

func TestUpgrade(t *testing.T) {
	tests := []struct {
		name  string
		model *pb.ModelProto
	}{
		{"Squeeze takes axes as an input", protoModel(11, "x[2,1,3]", "y",
			protoNode("y = Squeeze(x)", protoAttr("axes", []int64{1})))},
		{"Squeeze of all axes has none", protoModel(11, "x[2,1,3]", "y", protoNode("y = Squeeze(x)"))},
		{"Unsqueeze takes axes as an input", protoModel(11, "x[2,3]", "y",
			protoNode("y = Unsqueeze(x)", protoAttr("axes", []int64{0, -1})))},
		{"ReduceMean takes axes as an input", protoModel(17, "x[2,3]", "y",
			protoNode("y = ReduceMean(x)", protoAttr("axes", []int64{-1}), protoAttr("keepdims", 0)))},
		{"ReduceSum has taken them since 13", protoModel(12, "x[2,3]", "y",
			protoNode("y = ReduceSum(x)", protoAttr("axes", []int64{0})))},
		{"Split into given sizes", protoModel(11, "x[5,3]", "y z",
			protoNode("y, z = Split(x)", protoAttr("split", []int64{2, 3})))},
		{"Split into equal parts says how many", protoModel(13, "x[6,3]", "y z", protoNode("y, z = Split(x)"))},
		{"Slice takes ranges as inputs", protoModel(9, "x[5,3]", "y",
			protoNode("y = Slice(x)", protoAttr("starts", []int64{1}), protoAttr("ends", []int64{3})))},
		{"Slice of chosen axes", protoModel(9, "x[5,3]", "y",
			protoNode("y = Slice(x)", protoAttr("axes", []int64{1}), protoAttr("starts", []int64{0}), protoAttr("ends", []int64{2})))},
		{"TopK takes k as an input", protoModel(9, "x[5]", "y", protoNode("y, i = TopK(x)", protoAttr("k", 2)))},
		{"Clip takes bounds as inputs, of x's type", protoModel(7, "x:double[5]", "y:double",
			protoNode("y = Clip(x)", protoAttr("min", 0.0), protoAttr("max", 6.0)))},
		{"Clip from above only", protoModel(7, "x[5]", "y", protoNode("y = Clip(x)", protoAttr("max", 6.0)))},
		{"Pad takes pads as an input", protoModel(10, "x[5]", "y", protoNode("y = Pad(x)", protoAttr("pads", []int64{1, 2})))},
		{"Pad with a value", protoModel(10, "x:float16[5]", "y:float16",
			protoNode("y = Pad(x)", protoAttr("pads", []int64{1, 2}), protoAttr("value", 1.5)))},
		{"Dropout takes its ratio as an input", protoModel(10, "x[5]", "y", protoNode("y = Dropout(x)", protoAttr("ratio", 0.25)))},
		{"Softmax of a matrix", protoModel(11, "x[2,3]", "y", protoNode("y = Softmax(x)"))},
		{"Softmax of the last axis", protoModel(11, "x[2,3,4]", "y", protoNode("y = Softmax(x)", protoAttr("axis", 2)))},
		{"Softmax over several axes", protoModel(11, "x[2,3,4]", "y", protoNode("y = Softmax(x)"))},
		{"Softmax of version 13 is as it is", protoModel(13, "x[2,3,4]", "y", protoNode("y = Softmax(x)", protoAttr("axis", 1)))},
		{"BatchNormalization drops spatial", protoModel(7, "x[2,3] s[3] b[3] m[3] v[3]", "y",
			protoNode("y = BatchNormalization(x, s, b, m, v)", protoAttr("spatial", 1)))},
		{"Scatter is ScatterElements", protoModel(10, "x[5] i:int64[2] u[2]", "y", protoNode("y = Scatter(x, i, u)"))},
		{"SimplifiedLayerNormalization is RMSNormalization", protoModel(17, "x[2,3] w[3]", "y",
			protoNode("y = SimplifiedLayerNormalization(x, w)", protoAttr("axis", -1), protoAttr("epsilon", 1e-5)))},
		{"Upsample with scales as an attribute", protoModel(7, "x[1,1,2,2]", "y",
			protoNode("y = Upsample(x)", protoAttr("mode", "nearest"), protoAttr("scales", []float32{1, 1, 2, 2})))},
		{"Upsample with scales as an input", protoModel(9, "x[1,1,2,2] s[4]", "y",
			protoNode("y = Upsample(x, s)", protoAttr("mode", "linear")))},
		{"GlobalLpPool is a reduction", protoModel(7, "x[1,2,3,4]", "y", protoNode("y = GlobalLpPool(x)"))},
		{"GlobalLpPool of the third power", protoModel(7, "x[1,2,3]", "y", protoNode("y = GlobalLpPool(x)", protoAttr("p", 3)))},
		{"Resize of version 10", protoModel(10, "x[1,1,2,2] s[4]", "y", protoNode("y = Resize(x, s)"))},
		{"Resize with inputs that are empty", protoModel(11, "x[1,1,2,2] s:int64[4]", "y",
			protoNode("none = Constant()", protoAttr("value", &pb.TensorProto{Dims: []int64{0}, DataType: 1})),
			protoNode("y = Resize(x, none, none, s)"))},
		{"GroupNormalization scales channels", protoModel(18, "x[1,4,5] s[2] b[2]", "y",
			protoNode("y = GroupNormalization(x, s, b)", protoAttr("num_groups", 2)))},
		{"a generated name that the file has", protoModel(11, "x[2,1,3] y_axes", "y",
			protoNode("y = Squeeze(x)", protoAttr("axes", []int64{1})))},
		{"a sequence of pieces of one size", protoModel(18, "x[5,3]", "y z",
			protoNode("k = Constant()", protoAttr("value_int", 2)), protoNode("s = SplitToSequence(x, k)"),
			protoNode("first = Constant()", protoAttr("value_int", 0)), protoNode("last = Constant()", protoAttr("value_int", -1)),
			protoNode("y = SequenceAt(s, first)"), protoNode("z = SequenceAt(s, last)"))},
		{"a sequence of rows, put together again", protoModel(18, "x[2,3]", "y",
			protoNode("s = SplitToSequence(x)", protoAttr("keepdims", 0)),
			protoNode("y = ConcatFromSequence(s)", protoAttr("axis", 0), protoAttr("new_axis", 1)))},
		{"a sequence of tensors", protoModel(18, "a[2] b[3]", "y",
			protoNode("s = SequenceConstruct(b, a)"), protoNode("y = ConcatFromSequence(s)", protoAttr("axis", 0)))},
		{"an attribute of version 25 with the old meaning", protoModel(27, "a:int64 b:int64 c:int64", "y:int64",
			protoNode("y = Range(a, b, c)", protoAttr("stash_type", 1)))},
	}
	golden := openGolden(t, "upgrade.txtar")
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			m, err := decodeProto(t, tt.model)
			if err != nil {
				t.Fatal(err)
			}
			golden.check(t, tt.name, text(m))
		})
	}
}

func TestUpgradeRefuses(t *testing.T) {
	tests := []struct {
		name, code, want string
		model            *pb.ModelProto
	}{
		{"a mean per activation", "LX1013", "spatial = 0", protoModel(7, "x[2,3] s[3] b[3] m[3] v[3]", "y",
			protoNode("y = BatchNormalization(x, s, b, m, v)", protoAttr("spatial", 0)))},
		{"BatchNormalization in training", "LX1013", "evaluation mode", protoModel(9, "x[2,3] s[3] b[3] m[3] v[3]", "y",
			protoNode("y, m2 = BatchNormalization(x, s, b, m, v)"))},
		{"axes as an input before there were any", "LX1013", "2 inputs", protoModel(11, "x[2,1] a:int64[1]", "y",
			protoNode("y = Squeeze(x, a)"))},
		{"axes that are numbers", "LX1011", "does not hold integers", protoModel(11, "x[2,1]", "y",
			protoNode("y = Squeeze(x)", protoAttr("axes", 1.5)))},
		{"pieces of a size that the model computes", "LX1012", "input split (k) is not constant", protoModel(18, "x[5,3] k:int64", "y",
			protoNode("s = SplitToSequence(x, k)"), protoNode("i = Constant()", protoAttr("value_int", 0)), protoNode("y = SequenceAt(s, i)"))},
		{"as many pieces as the batch is large", "LX1012", "which is N along the axis", protoModel(18, "x[N,3]", "y",
			protoNode("s = SplitToSequence(x)"), protoNode("i = Constant()", protoAttr("value_int", 0)), protoNode("y = SequenceAt(s, i)"))},
		{"a piece that is not there", "LX1012", "position 2 of a sequence of 2", protoModel(18, "x[2,3]", "y",
			protoNode("s = SplitToSequence(x)"), protoNode("i = Constant()", protoAttr("value_int", 2)), protoNode("y = SequenceAt(s, i)"))},
		{"a position that the model computes", "LX1012", "input position (i)", protoModel(18, "x[2,3] i:int64", "y",
			protoNode("s = SplitToSequence(x)"), protoNode("y = SequenceAt(s, i)"))},
		{"an attribute of version 27 with a new meaning", "LX1013", "stash_type", protoModel(27, "a b c", "y",
			protoNode("y = Range(a, b, c)", protoAttr("stash_type", 0)))},
		{"the second output of SimplifiedLayerNormalization", "LX1013", "InvStdDev", protoModel(17, "x[2,3] w[3]", "y",
			protoNode("y, s = SimplifiedLayerNormalization(x, w)"))},
		{"groups of unknown channels", "LX1012", "channels", protoModel(18, "x[1,C,5] s[2] b[2]", "y",
			protoNode("y = GroupNormalization(x, s, b)", protoAttr("num_groups", 2)))},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, err := decodeProto(t, tt.model)
			wantCode(t, err, tt.code, tt.want)
		})
	}
}

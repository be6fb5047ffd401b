package ops_test

import (
	"strings"
	"testing"

	"github.com/lxtc/lxtc/ir"
	"github.com/lxtc/lxtc/ir/ops"
)

// TestShapeArithmetic infers shapes through the arithmetic that exporters
// write. Every graph ends in o.
func TestShapeArithmetic(t *testing.T) {
	for _, tt := range []struct{ name, inputs, consts, nodes, want string }{
		{
			"heads split and merged", "float[B,S,64] x", "int64[4] heads = {0, 0, 4, 16}, int64[3] merged = {0, 0, 64}",
			"h = Reshape (x, heads)\n t = Transpose <perm = [0, 2, 1, 3]> (h)\n u = Transpose <perm = [0, 2, 1, 3]> (t)\n o = Reshape (u, merged)",
			"float[B,S,64]",
		},
		{
			"a target of Shape, Gather, Unsqueeze and Concat", "float[B,S,64] x", "int64 zero = {0}, int64 one = {1}, int64[1] at = {0}, int64[1] free = {-1}, int64[1] d = {16}",
			"s = Shape (x)\n b = Gather (s, zero)\n c = Gather (s, one)\n b1 = Unsqueeze (b, at)\n c1 = Unsqueeze (c, at)\n" +
				"to = Concat <axis = 0> (b1, c1, free, d)\n o = Reshape (x, to)",
			"float[B,S,4,16]",
		},
		{
			"products of symbols and back", "float[B,S,64] x", "int64[2] flat = {-1, 64}",
			"s = Shape (x)\n f = Reshape (x, flat)\n o = Reshape (f, s)",
			"float[B,S,64]",
		},
		{
			"rows and columns in one", "float[B,S,64] x", "int64[2] flat = {-1, 64}", "o = Reshape (x, flat)", "float[\"B*S\",64]",
		},
		{
			"what Expand is to keep marked by -1", "float[B,2,1,S,16] x",
			"int64[1] b = {-1}, int64[1] two = {2}, int64[1] g = {3}, int64[1] five = {5}, int64 minus = {-1}",
			"n = Concat <axis = 0> (b, two, g, b, b)\n ones = ConstantOfShape <value = int64[1] {1}> (five)\n marks = Neg (ones)\n" +
				"keep = Equal (n, marks)\n to = Where (keep, ones, n)\n o = Expand (x, to)",
			"float[B,2,3,S,16]",
		},
		{
			"the last S of S", "float[1,4,S,S] x, float[B,S] y", "int64[1] one = {1}, int64[1] two = {2}, int64[1] end = {9223372036854775807}",
			"s = Shape <start = 1, end = 2> (y)\n m = Neg (s)\n o = Slice (x, m, end, two, one)", "float[1,4,S,S]",
		},
		{
			"the first S of a table", "float[2048,16] x, float[B,S] y", "int64[1] zero = {0}",
			"s = Shape <start = -1> (y)\n o = Slice (x, zero, s, zero)", "float[S,16]",
		},
		{
			"the first S of one stay one", "float[1,16] x, float[B,S] y", "int64[1] zero = {0}",
			"s = Shape <start = -1> (y)\n o = Slice (x, zero, s, zero)", "float[?,16]",
		},
		{
			"a Slice of everything", "float[B,S] x", "int64[1] zero = {0}, int64[1] end = {9223372036854775807}",
			"o = Slice (x, zero, end, zero)", "float[B,S]",
		},
		{
			"reversed", "float[B,S] x", "int64[1] a = {1}, int64[1] from = {-1}, int64[1] to = {-9223372036854775807}, int64[1] by = {-1}",
			"o = Slice (x, from, to, a, by)", "float[B,S]",
		},
		{
			"halves of twice S", "float[S] x", "int64[1] zero = {0}, int64[1] two = {2}, int64[1] end = {9223372036854775807}",
			"s = Shape (x)\n y = Concat <axis = 0> (x, x)\n o = Slice (y, s, end, zero)", "float[S]",
		},
		{
			"a Range of S", "float[B,S] x", "int64 zero = {0}, int64 one = {1}",
			"s = Shape (x)\n n = Gather (s, one)\n o = Range (zero, n, one)", "int64[S]",
		},
		{"a scalar gathered", "float[3] x, int64 i", "", "o = Gather (x, i)", "float"},
		{"pieces of equal size", "float[B,6] x", "", "o, p, q = Split <axis = 1, num_outputs = 3> (x)", "float[B,2]"},
		{"pieces of which the last is smaller", "float[B,5] x", "", "p, q, o = Split <axis = 1, num_outputs = 3> (x)", "float[B,1]"},
		{"squeezed by axes that a run knows", "float[B,1,S] x, int64[1] a", "", "o = Squeeze (x, a)", "float[?,?]"},
		{"indices found by a run", "float[B,S] x", "", "o = NonZero (x)", "int64[2,?]"},
		{"a convolution over symbols, padded", "float[B,3,H,W] x, float[8,3,3,3] w", "", "o = Conv <pads = [1, 1, 1, 1]> (x, w)", "float[B,8,H,W]"},
		{"a convolution that shrinks", "float[B,3,H,32] x, float[8,3,3,3] w", "", "o = Conv <strides = [2, 2]> (x, w)", "float[B,8,?,15]"},
		{"a transposed convolution that doubles", "float[B,3,H,W] x, float[3,8,2,2] w", "", "o = ConvTranspose <strides = [2, 2]> (x, w)", `float[B,8,"2*H","2*W"]`},
		{
			"halved and doubled", "float[B,3,H,W] x, float[3,8,2,2] w", "",
			"y = ConvTranspose <strides = [2, 2]> (x, w)\n o = MaxPool <kernel_shape = [2, 2], strides = [2, 2]> (y)", "float[B,8,H,W]",
		},
		{"a pool rounded up", "float[B,3,7] x", "", "o = AveragePool <kernel_shape = [2], strides = [2], ceil_mode = 1> (x)", "float[B,3,4]"},
		{"resized by whole numbers", "float[B,3,H,5] x", "float[4] s = {1.0, 1.0, 2.0, 1.5}", "o = Resize (x, , s)", `float[B,3,"2*H",7]`},
		{"resized to sizes", "float[B,3,H,5] x", "int64[2] s = {7, 9}", "o = Resize <axes = [2, 3]> (x, , , s)", "float[B,3,7,9]"},
		{"quantized to the type of the zero point", "float[B,4] x, float s, int8 z", "", "o = QuantizeLinear (x, s, z)", "int8[B,4]"},
		{"dequantized to the type of the scale", "uint8[B,4] x, float16[4] s", "", "o = DequantizeLinear <axis = -1> (x, s)", "float16[B,4]"},
		{"integers multiplied", "uint8[B,4] x, int8[4,2] y", "", "o = MatMulInteger (x, y)", "int32[B,2]"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			m, err := parseNodes(tt.inputs, tt.consts, tt.nodes)
			if err != nil {
				t.Fatal(err)
			}
			if got := m.Graph.Outputs[0].Type.String(); got != tt.want {
				t.Errorf("inferred as %s, want %s\n%s", got, tt.want, m.Text())
			}
		})
	}
}

// TestShapeErrors says what is wrong with a node, and with which numbers.
func TestShapeErrors(t *testing.T) {
	for _, tt := range []struct{ name, inputs, consts, node, want string }{
		{"elements that do not fit", "float[2,3] x", "int64[2] s = {4, 2}", "o = Reshape (x, s)", "6 elements do not have a shape of 8"},
		{"two free dimensions", "float[2,3] x", "int64[2] s = {-1, -1}", "o = Reshape (x, s)", "two dimensions that are to be inferred"},
		{"a dimension copied from nowhere", "float[6] x", "int64[2] s = {6, 0}", "o = Reshape (x, s)", "dimension 1 is to be copied from data of rank 1"},
		{"a negative dimension", "float[6] x", "int64[1] s = {-2}", "o = Reshape (x, s)", "no shape [-2]"},
		{"squeezing what is not 1", "float[2,3] x", "int64[1] a = {1}", "o = Squeeze (x, a)", "axis 1 of float[2,3] is not 1"},
		{"an axis twice", "float[2,1] x", "int64[2] a = {1, -1}", "o = Squeeze (x, a)", "axis 1 is given twice"},
		{"no order of axes", "float[2,3] x", "", "o = Transpose <perm = [0, 0]> (x)", "perm [0 0] is no order of the axes of float[2,3]"},
		{"a shape that does not broadcast", "float[2,3] x", "int64[1] s = {4}", "o = Expand (x, s)", "dimensions 3 and 4 do not broadcast"},
		{"one tensor beside a longer one", "float[2,3] x, float[3,3] y", "", "o = Concat <axis = 1> (x, y)", "dimensions 2 and 3 of axis 0 differ"},
		{"pieces that do not fill", "float[5] x", "int64[2] s = {2, 2}", "o, p = Split (x, s)", "pieces of [2 2] do not fill the 5 elements"},
		{"a step of 0", "float[5] x", "int64[1] a = {0}, int64[1] b = {3}", "o = Slice (x, a, b, a, a)", "a step is 0"},
		{"starts without ends", "float[5] x", "int64[1] a = {0}, int64[2] b = {3, 4}", "o = Slice (x, a, b)", "1 starts and 2 ends"},
		{"pads for other axes", "float[5] x", "int64[4] p = {0, 0, 1, 1}", "o = Pad (x, p)", "4 pads for 1 axes"},
		{"more cropped than there is", "float[2] x", "int64[2] p = {-2, -1}", "o = Pad (x, p)", "leaves less than nothing"},
		{"blocks of nothing", "float[1,4,2,2] x", "", "o = DepthToSpace <blocksize = 0> (x)", "blocksize 0"},
		{"vectors longer than the rank", "float[2,3] x, int64[4,3] i", "", "o = GatherND (x, i)", "vectors of 3 indices for data float[2,3]"},
		{"ranks of data and indices", "float[2,3] x, int64[4] i", "", "o = GatherElements (x, i)", "data float[2,3] and indices int64[4] differ in rank"},
		{"an unknown reduction", "float[2] x, int64[1,1] i, float[1] u", "", `o = ScatterND <reduction = "mean"> (x, i, u)`, `unknown reduction "mean"`},
		{"numbers where truth is wanted", "float[2] x, bool[2] y", "", "o = And (x, y)", "x is of type float, want bool"},
		{"channels", "float[1,4,5] x, float[2,3,3] w", "", "o = Conv (x, w)", "4 channels in 1 groups, but weights for 3 each"},
		{"a window larger than the image", "float[1,1,4] x, float[1,1,3] w", "", "o = Conv <dilations = [2]> (x, w)", "spatial axis 0: a window of 5 elements exceeds 4 with padding 0 and 0"},
		{"a kernel that the weights do not have", "float[1,1,4] x, float[1,1,3] w", "", "o = Conv <kernel_shape = [2]> (x, w)", "kernel_shape [2], but weights float[1,1,3]"},
		{"a stride of 0", "float[1,1,4] x", "", "o = MaxPool <kernel_shape = [2], strides = [0]> (x)", "strides [0]: want numbers from 1"},
		{"no kernel", "float[1,1,4] x", "", "o = MaxPool (x)", "attribute kernel_shape is missing"},
		{"an unknown padding", "float[1,1,4] x", "", `o = MaxPool <kernel_shape = [2], auto_pad = "SOME"> (x)`, `unknown auto_pad "SOME"`},
		{"no image at all", "float[4] x", "", "o = GlobalAveragePool (x)", "want three dimensions or more"},
		{"scales for other axes", "float[1,1,4] x", "float[2] s = {2.0, 2.0}", "o = Resize (x, , s)", "2 scales for 3 axes"},
		{"a scale of nothing", "float[1,1,4] x", "float[3] s = {1.0, 1.0, 0.0}", "o = Resize (x, , s)", "a scale of 0 for 4 elements"},
		{"scales for another axis", "float[2,3] x, float[2] s", "", "o = QuantizeLinear (x, s)", "2 scales for axis 1 of float[2,3]"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			m, err := parseNodes(tt.inputs, tt.consts, tt.node)
			if err == nil {
				t.Fatalf("inferred as %s, want an error", m.Graph.Outputs[0].Type)
			}
			if !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got %q, want %q", err, tt.want)
			}
		})
	}
}

func parseNodes(inputs, consts, nodes string) (*ir.Model, error) {
	if consts != "" {
		consts = "<" + consts + ">"
	}
	return ir.Parse("g ("+inputs+") => (o) "+consts+" {\n "+nodes+"\n}", ops.Standard())
}

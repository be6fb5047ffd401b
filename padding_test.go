package lxtc_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/lxtc/lxtc"
	"github.com/lxtc/lxtc/backend/reference"
	"github.com/lxtc/lxtc/ir"
	"github.com/lxtc/lxtc/ir/ops"
	"github.com/lxtc/lxtc/passes"
)

// A masked model takes token ids and says by a mask which are padding.
type maskedModel struct {
	name  string
	model func(t *testing.T) *lxtc.Model
	// shifts says that tokens may stand anywhere: positions count from the first
	// token that is no padding, or are relative.
	shifts bool
	pools  bool // the first position is what the head reads, padding or not
}

func maskedModels() []maskedModel {
	file := func(name string) func(t *testing.T) *lxtc.Model {
		return func(t *testing.T) *lxtc.Model { return loaded(t, name) }
	}
	ms := []maskedModel{
		{"bert.dynamo", file("golden/bert.dynamo.onnx"), false, true},
		{"bert.torchscript", file("golden/bert.torchscript.onnx"), false, true},
		{"llama.counted", file("masked/llama.counted.dynamo.onnx"), true, false},
		{"llama.given", file("masked/llama.given.torchscript.onnx"), true, false},
		{"t5", file("masked/t5.torchscript.onnx"), true, false},
	}
	for _, kind := range maskKinds {
		ms = append(ms, maskedModel{kind.name, func(t *testing.T) *lxtc.Model { return oneLayer(t, kind.text) }, true, false})
	}
	return ms
}

// maskKinds are ways to leave padding out of attention, for a mask int64[B,S] of
// ones and zeros, also as float[B,1,S] keep, and scores float[B,S,S] s: each
// computes the weights w.
var maskKinds = []struct{ name, text string }{
	{"the least number chosen by a boolean", `
		b = Cast <to = 9> (keep)
		u = Where (b, s, lowest)
		w = Softmax <axis = -1> (u)`},
	{"minus infinity chosen by a boolean", `
		b = Cast <to = 9> (keep)
		k = Not (b)
		u = Where (k, minf, s)
		w = Softmax <axis = -1> (u)`},
	{"minus infinity added", `
		l = Log (keep)
		u = Add (s, l)
		w = Softmax <axis = -1> (u)`},
	{"the least number added", `
		d = Sub (unit, keep)
		l = Mul (d, lowest)
		u = Add (s, l)
		w = Softmax <axis = -1> (u)`},
	{"-10000 added", `
		d = Sub (unit, keep)
		l = Mul (d, low)
		u = Add (l, s)
		w = Softmax <axis = -1> (u)`},
	{"minus infinity added, rows of nothing but padding set to 0, causal", `
		b = Cast <to = 9> (keep)
		n1 = Shape (input_ids)
		ones = ConstantOfShape <value = float[1] {1}> (n1)
		at = CumSum (ones, one)
		row = Unsqueeze (at, two)
		column = Unsqueeze (at, one)
		past = GreaterOrEqual (row, column)
		both = And (b, past)
		l = Where (both, zero, minf)
		u = Add (s, l)
		v = Softmax <axis = -1> (u)
		nan = IsNaN (v)
		w = Where (nan, zero, v)`},
	{"rows of nothing but padding set to 0, causal", `
		b = Cast <to = 9> (keep)
		n1 = Shape (input_ids)
		ones = ConstantOfShape <value = float[1] {1}> (n1)
		at = CumSum (ones, one)
		row = Unsqueeze (at, two)
		column = Unsqueeze (at, one)
		past = GreaterOrEqual (row, column)
		both = And (b, past)
		u = Where (both, s, minf)
		v = Softmax <axis = -1> (u)
		nan = IsNaN (v)
		w = Where (nan, zero, v)`},
}

// oneLayer is a layer of attention without positions, and a head.
func oneLayer(t *testing.T, mask string) *lxtc.Model {
	t.Helper()
	r := rand.New(rand.NewPCG(7, 7))
	weight := func(name string, rows, columns int) string {
		x := make([]string, rows*columns)
		for i := range x {
			x[i] = strconv.FormatFloat(r.NormFloat64(), 'g', 6, 32)
		}
		return fmt.Sprintf("float[%d,%d] %s = {%s}", rows, columns, name, strings.Join(x, ","))
	}
	weights := []string{
		weight("table", 61, 8), weight("wq", 8, 8), weight("wk", 8, 8), weight("wv", 8, 8), weight("head", 8, 61),
		"int64[1] one = {1}", "int64[1] two = {2}", "float[1] unit = {1}", "float[1] zero = {0}", "float[8] gain = {1,1,1,1,1,1,1,1}",
		"float[1] lowest = {-3.4028234e38}", "float[1] low = {-10000}", "float[1] minf = {-inf}",
	}
	text := `<ir_version: 10, opset_import: ["" : 20]>
g (int64[batch,sequence] input_ids, int64[batch,sequence] attention_mask) => (float[batch,sequence,61] logits)
<` + strings.Join(weights, ", ") + `> {
		f = Cast <to = 1> (attention_mask)
		keep = Unsqueeze (f, one)
		x = Gather (table, input_ids)
		n = LayerNormalization (x, gain)
		q = MatMul (n, wq)
		k0 = MatMul (n, wk)
		v0 = MatMul (n, wv)
		t = Transpose <perm = [0, 2, 1]> (k0)
		s = MatMul (q, t)` + mask + `
		c = MatMul (w, v0)
		y = Add (x, c)
		z = Relu (y)
		logits = MatMul (z, head)
	}`
	m, err := ir.Parse(text, ops.Standard())
	if err != nil {
		t.Fatal(err)
	}
	return lxtc.FromIR(m)
}

// lengths are the numbers of tokens of the rows of a batch.
var lengths = []int{7, 4, 1}

// padded makes inputs of rows of the given lengths, padding on the left or on
// the right.
func padded(m *ir.Model, lengths []int, left bool) map[string]*ir.Tensor {
	width := slices.Max(lengths)
	in := symbolInputs(m, map[string]int{"batch": len(lengths), "sequence": width, "decoded": 3}, 5)
	ids, mask, positions := int64sOf(in["input_ids"]), int64sOf(in["attention_mask"]), int64sOf(in["position_ids"])
	for row, n := range lengths {
		first := 0
		if left {
			first = width - n
		}
		for i := range width {
			k := row*width + i
			if mask[k] = 1; i < first || i >= first+n {
				mask[k] = 0
			}
			// The row's tokens, wherever they stand; padding is any token.
			ids[k] = int64((row*17 + (i-first+width)*5) % 61)
			if positions != nil {
				positions[k] = int64(max(0, i-first))
			}
		}
	}
	shape := []int{len(lengths), width}
	in["input_ids"], in["attention_mask"] = ir.Of(ids, shape...), ir.Of(mask, shape...)
	if positions != nil {
		in["position_ids"] = ir.Of(positions, shape...)
	}
	return in
}

func int64sOf(t *ir.Tensor) []int64 {
	if t == nil {
		return nil
	}
	x, err := t.Int64s()
	if err != nil {
		panic(err) // the inputs are made here
	}
	return x
}

// row returns one batch row of every tensor.
func row(ts map[string]*ir.Tensor, k int) map[string]*ir.Tensor {
	out := map[string]*ir.Tensor{}
	for name, x := range ts {
		shape := slices.Clone(x.Shape)
		size := len(x.Raw) / shape[0]
		shape[0] = 1
		out[name] = &ir.Tensor{Elem: x.Elem, Shape: shape, Raw: x.Raw[k*size : (k+1)*size]}
	}
	return out
}

// span returns positions from to to of axis 1 of a tensor of one row.
func span(x *ir.Tensor, from, to int) *ir.Tensor {
	shape := slices.Clone(x.Shape)
	size := len(x.Raw) / shape[1]
	shape[1] = to - from
	return &ir.Tensor{Elem: x.Elem, Shape: shape, Raw: x.Raw[from*size : to*size]}
}

// Padding gets no relevance at all, and tokens get what they get without padding
// and without the other rows of the batch. The target that is named by nobody is
// at the last token, wherever padding is.
func TestPadding(t *testing.T) {
	for _, mm := range maskedModels() {
		m := mm.model(t)
		for _, e := range engines {
			for _, form := range []passes.Form{passes.GradientForm, passes.ExplicitForm} {
				t.Run(strings.Join([]string{mm.name, e.backend.Name(), form.String()}, "/"), func(t *testing.T) {
					x := explainer(t, m, e.backend, lxtc.Options{Form: form, TargetsOnly: form == passes.GradientForm})
					for _, side := range []string{"left", "right"} {
						t.Run(side, func(t *testing.T) { testPadding(t, mm, m.IR(), x, e, side == "left") })
					}
				})
			}
		}
	}
}

func testPadding(t *testing.T, mm maskedModel, m *ir.Model, x *lxtc.Explainer, e engine, left bool) {
	in := padded(m, lengths, left)
	batch := runOn(t, x, in)
	width := slices.Max(lengths)
	for k, n := range lengths {
		first := 0
		if left {
			first = width - n
		}
		got := relevances(row(batch, k))
		for name, r := range got {
			if strings.Contains(name, "decoder") {
				continue
			}
			from := 0
			if mm.pools { // the head reads the first position, whatever is there
				from = min(1, first)
			}
			if i := nonzero(t, span(r, from, first)); i >= 0 {
				t.Errorf("row %d: padding before the tokens has relevance in %s (element %d)", k, name, i)
			}
			if i := nonzero(t, span(r, first+n, width)); i >= 0 {
				t.Errorf("row %d: padding behind the tokens has relevance in %s (element %d)", k, name, i)
			}
		}
		alone := relevances(runOn(t, x, row(in, k)))
		if e.backend.Name() == "reference" {
			bitwise(t, fmt.Sprintf("row %d in the batch", k), got, alone)
		}
		nearly(t, fmt.Sprintf("row %d in the batch", k), got, alone, e.rounding)
		if left && !mm.shifts {
			continue
		}
		tokens := func(ts map[string]*ir.Tensor) map[string]*ir.Tensor {
			out := map[string]*ir.Tensor{}
			for name, x := range ts {
				if out[name] = x; !strings.Contains(name, "decoder") {
					out[name] = span(x, first, first+n)
				}
			}
			return out
		}
		bare := relevances(runOn(t, x, tokens(row(in, k))))
		nearly(t, fmt.Sprintf("row %d without padding", k), tokens(got), bare, e.rounding)
	}
}

// A class for each row is what each class gives alone, at the position that the
// mask decides.
func TestClassOfEachRow(t *testing.T) {
	for _, file := range []string{"golden/bert.dynamo.onnx", "masked/llama.counted.dynamo.onnx", "golden/vgg.dynamo.onnx"} {
		for _, only := range []bool{false, true} {
			t.Run(fmt.Sprint(file, only), func(t *testing.T) {
				m := loaded(t, file)
				classes := []int64{1, 2, 0}
				opt := lxtc.Options{TargetsOnly: only, Targets: []passes.Target{{Output: "logits", Class: classes, Position: -1}}}
				in := symbolInputs(m.IR(), map[string]int{"batch": 3}, 5)
				if m.IR().Graph.Inputs[0].Name == "input_ids" {
					in = padded(m.IR(), lengths, false)
				}
				batch := runOn(t, explainer(t, m, reference.NewDouble(), opt), in)
				for k, class := range classes {
					opt.Targets[0].Class = []int64{class}
					alone := runOn(t, explainer(t, m, reference.NewDouble(), opt), row(in, k))
					bitwise(t, fmt.Sprintf("row %d", k), relevances(row(batch, k)), relevances(alone))
				}
			})
		}
	}
}

// relevances keeps the relevance of explained tensors.
func relevances(ts map[string]*ir.Tensor) map[string]*ir.Tensor {
	out := map[string]*ir.Tensor{}
	for name, x := range ts {
		if strings.HasPrefix(name, "R:") {
			out[name] = x
		}
	}
	return out
}

// nonzero returns the first element that is not 0, -1 if there is none.
func nonzero(t *testing.T, x *ir.Tensor) int {
	t.Helper()
	f, err := x.Float64s()
	if err != nil {
		t.Fatal(err)
	}
	return slices.IndexFunc(f, func(x float64) bool { return x != 0 })
}

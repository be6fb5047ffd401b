package ops

import (
	"fmt"

	"github.com/lxtc/lxtc/ir"
)

// ClassicML is the domain of what comes with models that are no networks.
const ClassicML = "ai.onnx.ml"

// classicOps are those that stand around a network, or are one of a single layer,
// in what scikit-learn's pipelines are exported to.
func classicOps() []*ir.Op {
	return []*ir.Op{scaler, normalizer, binarizer, arrayFeatureExtractor, linearRegressor, linearClassifier}
}

func classic(name string) ir.OpName { return ir.OpName{Domain: ClassicML, Name: name} }

// asFloats is Infer of an operator whose result is float, of the shape of its input.
func asFloats(n *ir.Node) ([]ir.Type, error) { return one(n.In[0].Type.WithElem(ir.Float)) }

// vectorAttr is a list of numbers as a constant; of one, a scalar.
func vectorAttr(b *ir.Builder, n *ir.Node, name string, like *ir.Value) *ir.Value {
	xs := n.Attrs.Floats(name)
	wide := make([]float64, len(xs))
	for i, x := range xs {
		wide[i] = float64(x)
	}
	if len(xs) == 1 {
		return b.Scalar(wide[0], like)
	}
	return floats(b, like, []int{len(xs)}, wide)
}

var scaler = &ir.Op{
	Name: classic("Scaler"), Since: 1, Fused: true, Doc: "(X - offset) · scale", In: ir.P("X"), Out: ir.P("Y"), Infer: asFloats,
	Body: func(b *ir.Builder, n *ir.Node) []*ir.Value {
		x := float32s(b, n.In[0])
		if len(n.Attrs.Floats("offset")) > 0 {
			x = b.Sub(x, vectorAttr(b, n, "offset", x))
		}
		if len(n.Attrs.Floats("scale")) > 0 {
			x = b.Mul(x, vectorAttr(b, n, "scale", x))
		}
		return []*ir.Value{x}
	},
}

// normalizer leaves rows of zeros as they are.
var normalizer = &ir.Op{
	Name: classic("Normalizer"), Since: 1, Fused: true, Doc: "rows divided by their norm, or by their largest element", In: ir.P("X"), Out: ir.P("Y"), Infer: asFloats,
	Body: func(b *ir.Builder, n *ir.Node) []*ir.Value {
		x := float32s(b, n.In[0])
		switch norm := n.Attrs.String("norm", "MAX"); norm {
		case "L1", "L2":
			p := map[string]int64{"L1": 1, "L2": 2}[norm]
			return []*ir.Value{b.OpA("LpNormalization", ir.Attrs{{Name: "axis", Value: int64(-1)}, {Name: "p", Value: p}}, x)}
		case "MAX":
			most := b.OpA("ReduceMax", ir.Attrs{{Name: "keepdims", Value: int64(1)}}, x, b.Ints(-1))
			zero := b.Op("Equal", most, b.Scalar(0, most))
			return []*ir.Value{b.Div(x, b.Op("Where", zero, b.Scalar(1, most), most))}
		default:
			return []*ir.Value{b.Fail("norm %q is not supported", norm)}
		}
	},
}

var binarizer = &ir.Op{
	Name: classic("Binarizer"), Since: 1, Fused: true, Doc: "1 where X is above the threshold, else 0", In: ir.P("X"), Out: ir.P("Y"), Infer: same,
	Body: func(b *ir.Builder, n *ir.Node) []*ir.Value {
		above := b.Op("Greater", n.In[0], b.Scalar(attr(n, "threshold", 0), n.In[0]))
		return []*ir.Value{castTo(b, above, n.In[0])}
	},
}

var arrayFeatureExtractor = &ir.Op{
	Name: classic("ArrayFeatureExtractor"), Since: 1, Fused: true, Doc: "elements of the last axis, by index", In: ir.P("X", "Y"), Out: ir.P("Z"),
	Infer: func(n *ir.Node) ([]ir.Type, error) {
		t := n.In[0].Type
		r := t.Rank()
		if r < 1 || n.In[1].Type.Shape == nil {
			return one(ir.Type{Elem: t.Elem})
		}
		dims := append([]ir.Dim{}, t.Shape...)
		dims[r-1] = ir.Numel(n.In[1].Type.Shape)
		if r == 1 { // a vector is a row
			dims = append([]ir.Dim{ir.N(1)}, dims...)
		}
		return one(withDims(t, dims))
	},
	Body: func(b *ir.Builder, n *ir.Node) []*ir.Value {
		x := n.In[0]
		if x.Type.Rank() < 1 {
			return []*ir.Value{b.Fail("X is %s, want a known rank of 1 or more", x.Type)}
		}
		if x.Type.Rank() == 1 {
			x = b.Op("Unsqueeze", x, b.Ints(0))
		}
		return []*ir.Value{b.OpA("Gather", axis(x.Type.Rank()-1), x, b.Op("Reshape", n.In[1], b.Ints(-1)))}
	},
}

var linearRegressor = &ir.Op{
	Name: classic("LinearRegressor"), Since: 1, Fused: true, Doc: "X · coefficientsᵀ + intercepts", In: ir.P("X"), Out: ir.P("Y"),
	Infer: func(n *ir.Node) ([]ir.Type, error) {
		return inferScores(n, n.Attrs.Int("targets", 1))
	},
	Body: func(b *ir.Builder, n *ir.Node) []*ir.Value {
		if t := n.Attrs.String("post_transform", "NONE"); t != "NONE" {
			return []*ir.Value{b.Fail("post_transform %s is not supported", t)}
		}
		return []*ir.Value{linearScores(b, n, n.Attrs.Int("targets", 1))}
	},
}

// inferScores is Infer of a dense layer of as many results whose weights are
// attributes.
func inferScores(n *ir.Node, results int64) ([]ir.Type, error) {
	x, weights := n.In[0].Type, int64(len(n.Attrs.Floats("coefficients")))
	if results < 1 || weights == 0 || weights%results != 0 {
		return nil, fmt.Errorf("%d coefficients for %d results", weights, results)
	}
	if x.Rank() >= 0 && (x.Rank() != 2 || x.Shape[1].Differ(ir.N(weights/results))) {
		return nil, fmt.Errorf("input X is %s, want a matrix of %d columns", x, weights/results)
	}
	return one(ir.Type{Elem: ir.Float, Shape: []ir.Dim{dimOf(n.In[0], 0), ir.N(results)}})
}

func linearScores(b *ir.Builder, n *ir.Node, results int64) *ir.Value {
	x, weights := float32s(b, n.In[0]), n.Attrs.Floats("coefficients")
	columns := len(weights) / int(results)
	turned := make([]float64, len(weights)) // [columns, results]
	for i, w := range weights {
		turned[i%columns*int(results)+i/columns] = float64(w)
	}
	y := b.MatMul(x, floats(b, x, []int{columns, int(results)}, turned))
	if len(n.Attrs.Floats("intercepts")) > 0 {
		y = b.Add(y, vectorAttr(b, n, "intercepts", x))
	}
	return y
}

// linearClassifier has a score for each class, and the class of the largest one.
var linearClassifier = &ir.Op{
	Name: classic("LinearClassifier"), Since: 1, Fused: true, Doc: "the scores of a linear layer for classes, and the class that scores highest",
	In: ir.P("X"), Out: ir.P("Y", "Z"),
	Infer: func(n *ir.Node) ([]ir.Type, error) {
		labels := len(n.Attrs.Ints("classlabels_ints"))
		label := ir.Type{Elem: ir.Int64, Shape: []ir.Dim{dimOf(n.In[0], 0)}}
		if names := n.Attrs.Strings("classlabels_strings"); len(names) > 0 {
			labels, label.Elem = len(names), ir.String
		}
		scores, err := inferScores(n, int64(labels))
		if err != nil {
			return nil, err
		}
		return []ir.Type{label, scores[0]}, nil
	},
	Body: func(b *ir.Builder, n *ir.Node) []*ir.Value {
		names := n.Attrs.Strings("classlabels_strings")
		labels := &ir.Tensor{Elem: ir.String, Shape: []int{len(names)}, Strs: names}
		if ints := n.Attrs.Ints("classlabels_ints"); len(names) == 0 {
			labels = ir.Of(ints, len(ints))
		}
		scores := linearScores(b, n, int64(labels.Shape[0]))
		best := b.OpA("ArgMax", ir.Attrs{{Name: "axis", Value: int64(1)}, {Name: "keepdims", Value: int64(0)}}, scores)
		label := b.Op("Gather", b.Constant(labels), best)
		switch t := n.Attrs.String("post_transform", "NONE"); t {
		case "NONE":
		case "SOFTMAX":
			scores = b.OpA("Softmax", axis(1), scores)
		case "LOGISTIC":
			scores = b.Op("Sigmoid", scores)
		default:
			scores = b.Fail("post_transform %s is not supported", t)
		}
		return []*ir.Value{label, scores}
	},
}

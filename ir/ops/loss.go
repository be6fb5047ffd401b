package ops

import (
	"fmt"

	"github.com/lxtc/lxtc/ir"
)

// lossOps compare scores with labels.
func lossOps() []*ir.Op { return []*ir.Op{nllLoss, crossEntropy} }

var nllLoss = &ir.Op{
	Name: ir.OpName{Name: "NegativeLogLikelihoodLoss"}, Since: 12, Fused: true,
	Doc: "-input[label], weighted, summed or averaged",
	In:  ir.P("input", "target", "weight?"), Out: ir.P("loss"),
	Infer: func(n *ir.Node) ([]ir.Type, error) {
		t, err := inferLoss(n)
		return []ir.Type{t}, err
	},
	Body: func(b *ir.Builder, n *ir.Node) []*ir.Value {
		return []*ir.Value{lossOf(b, n, n.In[0])}
	},
}

var crossEntropy = &ir.Op{
	Name: ir.OpName{Name: "SoftmaxCrossEntropyLoss"}, Since: 12, Fused: true,
	Doc: "-log softmax(scores)[label], weighted, summed or averaged",
	In:  ir.P("scores", "labels", "weights?"), Out: ir.P("output", "log_prob?"),
	Infer: func(n *ir.Node) ([]ir.Type, error) {
		t, err := inferLoss(n)
		if err != nil {
			return nil, err
		}
		return optionalOutputs(n, t, n.In[0].Type)
	},
	Body: func(b *ir.Builder, n *ir.Node) []*ir.Value {
		logs := b.OpA("LogSoftmax", axis(1), n.In[0])
		return []*ir.Value{lossOf(b, n, logs), logs}[:max(1, len(n.Out))]
	},
}

func inferLoss(n *ir.Node) (ir.Type, error) {
	t := ir.Type{Elem: n.In[0].Type.Elem, Shape: []ir.Dim{}}
	if r := n.In[0].Type.Rank(); r == 0 || r == 1 {
		return t, fmt.Errorf("%s, want rank 2 or more", n.In[0].Type)
	}
	switch how := n.Attrs.String("reduction", "mean"); how {
	case "sum", "mean":
		return t, nil
	case "none":
		t.Shape = n.In[1].Type.Shape
		return t, nil
	default:
		return t, fmt.Errorf("unknown reduction %q", how)
	}
}

// lossOf is the loss of logs [N, C, ...], log-probabilities of classes, for the
// labels [N, ...] of input 1. A label may say that its place does not count.
func lossOf(b *ir.Builder, n *ir.Node, logs *ir.Value) *ir.Value {
	labels := asInt64(b, n.In[1])
	var weight, counts *ir.Value
	if n.Attrs.Has("ignore_index") {
		counts = b.Op("Not", b.Op("Equal", labels, scalarInt(b, n.Attrs.Int("ignore_index", 0))))
		labels = b.Op("Where", counts, labels, scalarInt(b, 0))
	}
	at := b.Op("Unsqueeze", labels, b.Ints(1))
	loss := b.Neg(b.Op("Squeeze", b.OpA("GatherElements", axis(1), logs, at), b.Ints(1)))
	if w := n.Input(2); w != nil {
		weight = b.Op("Gather", w, labels)
	}
	if counts != nil {
		if weight == nil {
			weight = indicator(b, counts, loss)
		} else {
			weight = b.Op("Where", counts, weight, b.Scalar(0, weight))
		}
		loss = b.Op("Where", counts, loss, b.Scalar(0, loss)) // it may be ∞ where it does not count
	}
	if weight != nil {
		loss = b.Mul(loss, weight)
	}
	all := ir.Attrs{{Name: "keepdims", Value: int64(0)}}
	switch n.Attrs.String("reduction", "mean") {
	case "none":
		return loss
	case "sum":
		return b.OpA("ReduceSum", all, loss)
	}
	if weight == nil {
		return b.OpA("ReduceMean", all, loss)
	}
	return b.Div(b.OpA("ReduceSum", all, loss), b.OpA("ReduceSum", all, weight))
}

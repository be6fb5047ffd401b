// Package ops says what the ONNX operators mean: their types, derivatives and
// bodies. One file is one family; to add an operator, write its ir.Op in the
// file of its family and put it into that file's list.
//
// Every operator has the spelling of ai.onnx version 24: axes are inputs, Clip
// takes its bounds as inputs, and so on. The importer translates older ones.
// Op.Since is the oldest version of the domain with that spelling; later
// versions that only admit more element types do not count.
package ops

import (
	"sync"

	"github.com/lxtc/lxtc/ir"
)

// Version is the version of ai.onnx whose spelling the operators have.
const Version = 24

// Standard returns the operators known to the compiler. The set is immutable:
// extend it by Standard().With(op).
func Standard() *ir.OpSet { return standard() }

var standard = sync.OnceValue(func() *ir.OpSet {
	families := [...][]*ir.Op{
		constantOps(),     // constant.go
		elementwiseOps(),  // elementwise.go
		chooseOps(),       // choose.go
		copyOps(),         // copy.go
		activationOps(),   // activation.go
		matmulOps(),       // matmul.go
		einsumOps(),       // einsum.go
		reduceOps(),       // reduce.go
		selectOps(),       // select.go
		softmaxOps(),      // softmax.go
		normOps(),         // norm.go
		lxtOps(),          // lxt.go
		shapeOps(),        // shape.go
		gatherOps(),       // gather.go
		logicOps(),        // logic.go
		convOps(),         // conv.go
		quantOps(),        // quant.go
		attentionOps(),    // attention.go
		{flexAttention},   // flex.go
		msftOps(),         // msft.go
		channelsLastOps(), // msft_channels.go
		classicOps(),      // ml.go
		controlOps(),      // control.go
		lossOps(),         // loss.go
		recurrentOps(),    // recurrent.go
		statefulOps(),     // stateful.go
		signalOps(),       // signal.go
		sampleOps(),       // sample.go
		unfoldOps(),       // unfold.go
		foundOps(),        // found.go
		quantLinearOps(),  // quantlinear.go
	}
	var all []*ir.Op
	for _, family := range families {
		for _, op := range family {
			all = append(all, concrete(op))
		}
	}
	return ir.NewOpSet(all...)
})

// concrete returns op with a VJP, Secant and Body that fail on a node with an
// attribute of the function around it: they would read its default instead.
func concrete(op *ir.Op) *ir.Op {
	op = ptr(*op)
	fails := func(b *ir.Builder, n *ir.Node) bool {
		for _, a := range n.Attrs {
			if r, ok := a.Value.(ir.Ref); ok && n.Op != constant.Name {
				b.Fail("%v: attribute %s is @%s of the function around it, and not known here", n, a.Name, r.Name)
				return true
			}
		}
		return false
	}
	if vjp := op.VJP; vjp != nil {
		op.VJP = func(b *ir.Builder, n *ir.Node, dy []*ir.Value, want []bool) []*ir.Value {
			if fails(b, n) {
				return make([]*ir.Value, len(want))
			}
			return vjp(b, n, dy, want)
		}
	}
	if secant := op.Secant; secant != nil {
		op.Secant = func(b *ir.Builder, n *ir.Node) *ir.Value {
			if fails(b, n) {
				return n.In[0]
			}
			return secant(b, n)
		}
	}
	if body := op.Body; body != nil {
		op.Body = func(b *ir.Builder, n *ir.Node) []*ir.Value {
			if fails(b, n) {
				return n.In
			}
			return body(b, n)
		}
	}
	return op
}

func ptr[T any](x T) *T { return &x }

package ops

import (
	"fmt"

	"github.com/lxtc/lxtc/ir"
)

// Domain is the domain of operators and functions of our own.
const Domain = "lxt"

// lxtOps are composites that ONNX has no name for.
func lxtOps() []*ir.Op { return []*ir.Op{linear, fakeQuantize, dequantizeBnb4} }

// linear is a product with its bias as one node: relevance rules that look at
// signs need both together.
var linear = &ir.Op{
	Name: ir.OpName{Domain: Domain, Name: "Linear"}, Since: 1, Doc: "x w + b, for x of any rank",
	In: ir.P("x", "w", "b?"), Out: ir.P("y"),
	Infer: func(n *ir.Node) ([]ir.Type, error) {
		if _, err := mergeElem(n.In...); err != nil {
			return nil, err
		}
		t, err := matMulType(n.In[0], n.In[1])
		if err != nil {
			return nil, err
		}
		if bias := n.Input(2); bias != nil {
			if t.Shape != nil && bias.Type.Rank() > t.Rank() {
				return nil, fmt.Errorf("bias %s has a higher rank than the product %s", bias.Type, t)
			}
			s, err := broadcast(t.Shape, bias.Type.Shape)
			if err != nil {
				return nil, fmt.Errorf("bias: %w", err)
			}
			t.Shape = s
		}
		return one(t)
	},
	VJP: func(b *ir.Builder, n *ir.Node, dy []*ir.Value, want []bool) []*ir.Value {
		out := make([]*ir.Value, len(want))
		copy(out, matMulVJP(b, n, dy, want[:2]))
		if len(want) > 2 && want[2] {
			out[2] = b.SumTo(dy[0], n.In[2])
		}
		return out
	},
	Body: func(b *ir.Builder, n *ir.Node) []*ir.Value {
		y := b.MatMul(n.In[0], n.In[1])
		if bias := n.Input(2); bias != nil {
			y = b.Add(y, bias)
		}
		return []*ir.Value{y}
	},
}

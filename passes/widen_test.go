package passes_test

import (
	"context"
	"strings"
	"testing"

	"github.com/lxtc/lxtc/backend/reference"
	"github.com/lxtc/lxtc/ir"
	"github.com/lxtc/lxtc/ir/ops"
	"github.com/lxtc/lxtc/passes"
)

// An operator that lxtc knows nothing of gets the half precision that it was
// written for.
func TestWidenLeavesForeignOperators(t *testing.T) {
	foreign := &ir.Op{
		Name: ir.OpName{Domain: "mine", Name: "Half"}, Since: 1, Doc: "twice x", In: ir.P("x"), Out: ir.P("y"),
		Infer: func(n *ir.Node) ([]ir.Type, error) { return []ir.Type{n.In[0].Type}, nil },
	}
	m, err := ir.Parse(`<ir_version: 10, opset_import: ["" : 24, "mine" : 1]>
		g (float16[2] x) => (float16[2] z) { a = Neg (x) y = mine.Half (a) z = Abs (y) }`, ops.Standard().With(foreign))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := (passes.Pipeline{passes.Widen}).Run(context.Background(), m, passes.Options{}, passes.Driver{Strict: true}); err != nil {
		t.Fatal(err)
	}
	for n := range m.Graph.Nodes() {
		want := ir.Float
		if n.Op == foreign.Name {
			want = ir.Float16
		}
		if got := n.In[0].Type.Elem; n.Op.Name != "Cast" && got != want {
			t.Errorf("%v reads %s, want %s", n, got, want)
		}
	}
}

// What the user names is explained in float32: graph inputs under their own
// names, tensors in between under theirs, and the embedding found by itself.
func TestHalfPrecisionRelevance(t *testing.T) {
	for _, tt := range []struct{ name, model, explain, want string }{
		{"an input", "g (bfloat16[1,2] x) => (bfloat16[1,2] y) { y = Relu (x) }", "", "R:x"},
		{"a named input", "g (bfloat16[1,2] x) => (bfloat16[1,2] y) { y = Relu (x) }", "x", "R:x"},
		{"a tensor in between", "g (bfloat16[1,2] x) => (bfloat16[1,2] y) { h = Neg (x) y = Relu (h) }", "h", "R:h"},
		{"an embedding", `g (int64[1,3] ids) => (bfloat16[1,3,2] y) <bfloat16[4,2] t = {1,2,3,4,5,6,7,8}> {
			e = Gather (t, ids) y = Relu (e) }`, "", "R:e"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			m, err := ir.Parse(tt.model, ops.Standard())
			if err != nil {
				t.Fatal(err)
			}
			opt := passes.Options{Eval: reference.Eval, Explain: strings.Fields(tt.explain)}
			r, err := passes.Default().Run(context.Background(), m, opt, passes.Driver{Strict: true})
			if err != nil {
				t.Fatal(err)
			}
			v := m.Graph.Find(tt.want)
			if v == nil || !m.Graph.IsOutput(v) || v.Type.Elem != ir.Float {
				t.Errorf("output %s is %v, want a float", tt.want, v)
			}
			if y := m.Graph.Find("y"); y == nil || y.Type.Elem != ir.BFloat16 || !m.Graph.IsOutput(y) {
				t.Errorf("output y is %v, want a bfloat16 as declared", y)
			}
			if got := "R:" + r.Explained[0]; got != tt.want {
				t.Errorf("the report says that %s is made, want %s", got, tt.want)
			}
		})
	}
}

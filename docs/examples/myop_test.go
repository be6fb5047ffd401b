package examples_test

import (
	"bytes"
	"context"
	"fmt"
	"slices"

	"github.com/lxtc/lxtc"
	"github.com/lxtc/lxtc/backend"
	"github.com/lxtc/lxtc/backend/reference"
	export "github.com/lxtc/lxtc/exporter/onnx"
	"github.com/lxtc/lxtc/importer/onnx"
	"github.com/lxtc/lxtc/ir"
	"github.com/lxtc/lxtc/ir/ops"
	"github.com/lxtc/lxtc/passes"
	"github.com/lxtc/lxtc/passes/rewrite"
	"github.com/lxtc/lxtc/rules"
)

// Snake is x + sin² x, an activation of audio models.
var Snake = &ir.Op{
	Name: ir.OpName{Domain: "mine", Name: "Snake"}, Since: 1, Doc: "x + sin² x",
	In: ir.P("x"), Out: ir.P("y"),
	Infer: func(n *ir.Node) ([]ir.Type, error) { return []ir.Type{n.In[0].Type}, nil },
	VJP: func(b *ir.Builder, n *ir.Node, dy []*ir.Value, want []bool) []*ir.Value {
		slope := b.Add(b.Scalar(1, n.In[0]), b.Op("Sin", b.Scale(n.In[0], 2))) // 1 + sin 2x
		return []*ir.Value{b.Mul(dy[0], slope)}
	},
	Body: func(b *ir.Builder, n *ir.Node) []*ir.Value {
		s := b.Op("Sin", n.In[0])
		return []*ir.Value{b.Add(n.In[0], b.Mul(s, s))}
	},
}

func Example_op() {
	set := ops.Standard().With(Snake)
	written, err := ir.Parse(`
		<ir_version: 10, opset_import: ["" : 21, "mine" : 1]>
		g (float[1,3] x) => (float[1,3] y) { y = mine.Snake (x) }`, set)
	check(err)
	var file bytes.Buffer
	check(export.Write(&file, written))

	read, err := onnx.Decode(file.Bytes(), onnx.Ops(set)) // onnx.Load takes the same option
	check(err)
	mine, err := rules.Parse("mine.rules", "mine.Snake => identity\nuse attnlrp", rules.Standard())
	check(err)
	opt := lxtc.Options{Rules: mine, Form: passes.ExplicitForm}
	opt.Targets = []passes.Target{{Output: "y", Index: []int64{0, 1}}}
	x, err := lxtc.FromIR(read).Explainer(context.Background(), reference.New(), opt, backend.Options{})
	check(err)
	defer x.Close()

	out, err := x.Run(context.Background(), map[string]*ir.Tensor{"x": ir.Of([]float32{0, 1, 2}, 1, 3)})
	check(err)
	print32("y", out["y"]) // 1 + sin² 1 = 1.7081
	print32("R:x", out["R:x"])
	// Output:
	// y [0.0000 1.7081 2.8268]
	// R:x [0.0000 1.7081 0.0000]
}

// spelled finds Snake where an exporter has written it out.
var spelled = &rewrite.Rule{
	Name: "snake",
	Doc:  "x + sin² x is Snake",
	Match: rewrite.MustParse(`
		s = Sin (x)
		y = Add (x, Mul (s, s) | Pow (s, 2))
	`),
	With: func(b *ir.Builder, m *rewrite.Match) *ir.Value {
		return b.Node(Snake.Name, nil, m.Get("x")).Out[0]
	},
}

func Example_recognizer() {
	m, err := ir.Parse(`g (float[1,3] x) => (float[1,3] y) <float two = {2}> {
		s = Sin (x)
		q = Pow (s, two)
		y = Add (q, x)
	}`, ops.Standard().With(Snake))
	check(err)
	mine, err := rules.Parse("mine.rules", "mine.Snake => identity\nuse attnlrp", rules.Standard())
	check(err)
	p := passes.Default()
	at := slices.IndexFunc(p, func(p passes.Pass) bool { return p.Name == "recognize" })
	p = slices.Insert(p, at, passes.Recognizer("mine", spelled))
	r, err := lxtc.FromIR(m).Rewrite(context.Background(), lxtc.Options{Rules: mine, Pipeline: p})
	check(err)
	for _, o := range r.Report.Operators {
		fmt.Println(o.Node, o.Op, "recognized as", o.Origin, "=>", o.Rule)
	}
	// Output:
	// y mine.Snake recognized as snake => identity
}

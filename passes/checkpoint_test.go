package passes_test

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/lxtc/lxtc/ir"
	"github.com/lxtc/lxtc/ir/ops"
	"github.com/lxtc/lxtc/passes"
)

// rewriteWith runs the default pipeline over a copy of m and returns it, and what
// pass checkpoint did.
func rewriteWith(t *testing.T, m *ir.Model, opt passes.Options) (*ir.Model, []passes.Done) {
	t.Helper()
	c := m.Clone()
	report, err := passes.Default().Run(context.Background(), c, opt, passes.Driver{Strict: true})
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range report.Steps {
		if s.Pass == passes.Checkpoint.Name {
			return c, s.Done
		}
	}
	t.Fatal("the pipeline has no checkpoints")
	return nil, nil
}

// Values of 16.6 kB are more than a few: random graphs are cut wherever little
// passes, and compute what they computed before.
func TestCheckpointChangesNothing(t *testing.T) {
	cut := 0
	for seed := range uint64(40) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			m := growShaped(t, seed, 6+int(seed/2), conserving, 65, 64)
			form := passes.Form(seed % 2)
			plain, done := rewriteWith(t, m, passes.Options{Form: form})
			if len(done) > 0 {
				t.Fatalf("nobody asked for %v", done)
			}
			again, done := rewriteWith(t, m, passes.Options{Form: form, Checkpoint: true})
			if len(done) > 0 {
				cut++
			}
			in, _ := randomInputs(m)
			want, err := evaluate(plain, in)
			if err != nil {
				t.Fatal(err)
			}
			got, err := evaluate(again, in)
			if err != nil {
				t.Fatal(err)
			}
			if d := cmp.Diff(want, got, cmp.Comparer(sameTensor)); d != "" {
				t.Errorf("outputs differ:\n%s", d)
			}
		})
	}
	if cut < 20 {
		t.Errorf("%d graphs of 40 were cut", cut)
	}
}

func sameTensor(a, b *ir.Tensor) bool {
	return a.Elem == b.Elem && cmp.Equal(a.Shape, b.Shape) && string(a.Raw) == string(b.Raw)
}

// TestCheckpointKeeps looks for what must not be computed twice.
func TestCheckpointKeeps(t *testing.T) {
	const head = `<ir_version: 10, opset_import: ["" : 24]> g (float[64,128] x, float[128,512] w, float[512,128] u, int64 turns) => (float[64,512] y%s) {
		a = MatMul (x, w)
		b = Tanh (a)
		s0 = MatMul (b, u)
		s1 = MatMul (s0, w)
		%s
		s2 = MatMul (d, u)
		s3 = MatMul (s2, w)
		e = Tanh (s3)
		s4 = MatMul (e, u)
		f = Sigmoid (s4)
		y = MatMul (f, w)
	}`
	tests := []struct {
		name, outputs, middle string
		op                    string
		want                  int // nodes of op afterwards
	}{
		{"the inside of a block is computed again", "", "c = Gelu (s1)  d = Mul (c, c)", "Gelu", 2},
		{"what an output has anyway", ", float[64,512] c", "c = Gelu (s1)  d = Mul (c, c)", "Gelu", 1},
		{"what a graph inside reads", ", float[64,512] o", `c = Gelu (s1)
		d = Mul (c, c)
		o = Loop <
			body = l (int64 i, bool go, float[64,512] h) => (bool on, float[64,512] h2) {
				on = Identity (go)
				h2 = Add (h, c)
			}
		> (turns, , s1)`, "Gelu", 1},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			m, err := ir.Parse(fmt.Sprintf(head, tt.outputs, strings.ReplaceAll(tt.middle, "  ", "\n\t\t")), ops.Standard())
			if err != nil {
				t.Fatal(err)
			}
			opt := passes.Options{Checkpoint: true, Explain: []string{"x"}, Targets: []passes.Target{{Output: "y", Index: []int64{0, 0}}}}
			out, done := rewriteWith(t, m, opt)
			if len(done) == 0 {
				t.Fatal("nothing is computed again")
			}
			got := 0
			for n := range out.Graph.Nodes() {
				if n.Op.Name == tt.op {
					got++
				}
			}
			if got != tt.want {
				t.Errorf("%d nodes %s, want %d:\n%s", got, tt.op, tt.want, out.Text())
			}
		})
	}
}

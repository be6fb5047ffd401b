package lxtc_test

import (
	"context"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/lxtc/lxtc"
	"github.com/lxtc/lxtc/backend"
	"github.com/lxtc/lxtc/backend/gorgonia"
	"github.com/lxtc/lxtc/passes"
)

// What is computed again is what was computed before: not a bit of any output
// changes, and less is held.
func TestCheckpoint(t *testing.T) {
	for _, file := range symbolic {
		m := loaded(t, file)
		in := symbolInputs(m.IR(), map[string]int{"batch": 12, "sequence": 16, "decoded": 8}, 3)
		for _, form := range []passes.Form{passes.GradientForm, passes.ExplicitForm} {
			t.Run(file+"/"+form.String(), func(t *testing.T) {
				var peak [2]int64
				var out [2]map[string][]byte
				for i, checkpoint := range []bool{false, true} {
					opt := lxtc.Options{Form: form, Sums: true, Checkpoint: checkpoint}
					x, err := m.Explainer(context.Background(), gorgonia.New(), opt, backend.Options{})
					if err != nil {
						t.Fatal(err)
					}
					defer x.Close()
					got, err := x.Run(context.Background(), in)
					if err != nil {
						t.Fatal(err)
					}
					out[i] = map[string][]byte{}
					for name, v := range got {
						out[i][name] = v.Raw
					}
					peak[i] = x.Stats().Peak
				}
				if d := cmp.Diff(out[0], out[1]); d != "" {
					t.Error("outputs differ")
				}
				t.Logf("%d KiB, with checkpoints %d", peak[0]>>10, peak[1]>>10)
				if peak[1] > peak[0] {
					t.Errorf("%d bytes are held, and %d with checkpoints", peak[0], peak[1])
				}
			})
		}
	}
}

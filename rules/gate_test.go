package rules

import (
	"testing"

	"github.com/lxtc/lxtc/ir"
	"github.com/lxtc/lxtc/ir/ops"
)

// In a squeeze-and-excitation block both factors are activations, and the gate
// is the one that is computed from the other: were both taken for gates, CP-LRP
// would let nothing through.
func TestGateOfFeaturesComputedFromThem(t *testing.T) {
	m, err := ir.Parse(`g (float[1,2,3,3] x) => (float[1,2,3,3] y) <float[2,2,1,1] w = {1,2,3,4}> {
		features = Swish (x)
		mean = GlobalAveragePool (features)
		squeezed = Conv (mean, w)
		hidden = Relu (squeezed)
		excited = Conv (hidden, w)
		gate = Sigmoid (excited)
		y = Mul (features, gate)
	}`, ops.Standard())
	if err != nil {
		t.Fatal(err)
	}
	rm, err := Load("cp-lrp")
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]string{"features": "identity", "hidden": "identity", "gate": "stop"} {
		all := func(*ir.Value) bool { return true }
		line := rm.Lookup(Subject{Node: m.Graph.Find(name).Def, Flows: all, Depends: all})
		if line == nil || line.Call.Rule.Name != want {
			t.Errorf("%s: %+v, want %s", name, line, want)
		}
	}
}

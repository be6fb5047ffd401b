package rules

import (
	"fmt"
	"strings"
	"testing"

	"github.com/lxtc/lxtc/ir"
	"github.com/lxtc/lxtc/ir/ops"
)

// cpLRP checks the rules that cp-lrp gives to nodes of a model, all of which but
// constants depend on what is explained.
func cpLRP(t *testing.T, m *ir.Model, want map[string]string) {
	t.Helper()
	rm, err := Load("cp-lrp")
	if err != nil {
		t.Fatal(err)
	}
	depends := func(v *ir.Value) bool { return v.Data == nil }
	for name, want := range want {
		line := rm.Lookup(Subject{Node: m.Graph.Find(name).Def, Flows: depends, Depends: depends})
		if line == nil || line.Call.Rule.Name != want {
			t.Errorf("%s: %+v, want %s", name, line, want)
		}
	}
}

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
	cpLRP(t, m, map[string]string{"features": "identity", "hidden": "identity", "gate": "stop"})
}

// A gate stays one behind a Reshape or a Cast, and an activation whose result
// only feeds a layer is none behind them either.
func TestGateBehindWhatDoesNotChangeIt(t *testing.T) {
	m, err := ir.Parse(`g (float[1,2,3,3] x, float[1,2] s) => (float[1,2,3,3] y, float[1,2] z) <float[2,2] w = {1,2,3,4}> {
		gate = Sigmoid (s)
		shape = Constant <value = int64[4] {1,2,1,1}> ()
		view = Reshape (gate, shape)
		wide = Cast <to = 11> (view)
		x64 = Cast <to = 11> (x)
		p = Mul (x64, wide)
		y = Cast <to = 1> (p)
		act = Relu (s)
		act64 = Cast <to = 11> (act)
		act32 = Cast <to = 1> (act64)
		z = MatMul (act32, w)
	}`, ops.Standard())
	if err != nil {
		t.Fatal(err)
	}
	cpLRP(t, m, map[string]string{"gate": "stop", "act": "identity"})
}

// A squared Relu is one activation, and a gate as a whole: BitNet's.
func TestGateSquared(t *testing.T) {
	m, err := ir.Parse(`g (float[2,3] x, float[2,3] up) => (float[2,3] y, float[2,3] z, float[2,3] alone) <float two = {2}> {
		a = Relu (x)
		aa = Mul (a, a)
		y = Mul (aa, up)
		b = Relu (x)
		bb = Pow (b, two)
		z = Mul (up, bb)
		c = Relu (x)
		alone = Mul (c, c)
	}`, ops.Standard())
	if err != nil {
		t.Fatal(err)
	}
	cpLRP(t, m, map[string]string{"a": "stop", "b": "stop", "c": "identity"})
}

// In a recurrent cell tanh says what, and a sigmoid how much of it.
func TestGateOfRecurrentCells(t *testing.T) {
	m, err := ir.Parse(`g (float[1,2] c, float[1,2] o, float[1,2] r) => (float[1,2] h, float[1,2] k) <float one = {1}> {
		open = Sigmoid (o)
		cell = Tanh (c)
		h = Mul (open, cell)
		keep = Sigmoid (r)
		rest = Sub (one, keep)
		fresh = Tanh (c)
		k = Mul (rest, fresh)
	}`, ops.Standard())
	if err != nil {
		t.Fatal(err)
	}
	cpLRP(t, m, map[string]string{"open": "stop", "cell": "identity", "keep": "stop", "fresh": "identity"})
}

// A chain of squares takes as many steps as it is long: each reads the one before it
// twice, and looked at twice 60 of them would take 2^60.
func TestGateBeforeManySquares(t *testing.T) {
	var text strings.Builder
	text.WriteString("g (float[2] x) => (float[2] y) { s0 = Sigmoid (x)\n")
	for i := range 60 {
		fmt.Fprintf(&text, "s%d = Mul (s%d, s%d)\n", i+1, i, i)
	}
	text.WriteString("y = Neg (s60) }")
	m, err := ir.Parse(text.String(), ops.Standard())
	if err != nil {
		t.Fatal(err)
	}
	cpLRP(t, m, map[string]string{"s0": "identity"})
}

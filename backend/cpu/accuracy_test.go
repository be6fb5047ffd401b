package cpu

import (
	"math"
	"testing"
)

// arguments are dense between -100 and 100, denser near 0, and the special values.
func arguments() []float32 {
	var x []float32
	for i := -20000; i <= 20000; i++ {
		x = append(x, float32(i)*0.005+0.0007, float32(i)*1e-4, float32(i)*1e-7)
	}
	for e := -126; e <= 127; e++ {
		x = append(x, float32(math.Ldexp(1.37, e)), float32(math.Ldexp(-1.37, e)))
	}
	inf := float32(math.Inf(1))
	return append(x, 0, float32(math.Copysign(0, -1)), inf, -inf, float32(math.NaN()), math.MaxFloat32, -math.MaxFloat32, 1, -1, 0x1p-140, -0x1p-140, 0x1p-149)
}

func sigmoid(x float64) float64 { return 1 / (1 + math.Exp(-x)) }

// TestUnaryFunctionsAreExactToTheLastDigits measures each function against
// float64. ulp bounds are the measured maximum over the arguments, rounded up;
// abs is what a value may be off by, in addition: for functions that cancel
// (Gelu far below 0), and for results that are not normal numbers.
func TestUnaryFunctionsAreExactToTheLastDigits(t *testing.T) {
	const denormal = 0x1p-126
	tests := map[Unary]struct {
		name string
		want func(x float64) float64
		ulp  float64
		abs  float64
	}{
		Neg:        {"neg", func(x float64) float64 { return -x }, 0, 0},
		Abs:        {"abs", math.Abs, 0, 0},
		Square:     {"square", func(x float64) float64 { return x * x }, 0.5, 0},
		Sqrt:       {"sqrt", math.Sqrt, 0.5, 0},
		Rsqrt:      {"rsqrt", func(x float64) float64 { return 1 / math.Sqrt(x) }, 1.5, 0},
		Reciprocal: {"reciprocal", func(x float64) float64 { return 1 / x }, 0.5, 0},
		Relu:       {"relu", func(x float64) float64 { return max(x, 0) }, 0, 0},
		Exp:        {"exp", math.Exp, 0.9, denormal},
		Log:        {"log", math.Log, 1, 0},
		Sigmoid:    {"sigmoid", sigmoid, 2.1, denormal},
		Silu:       {"silu", func(x float64) float64 { return x * sigmoid(x) }, 2.1, 90 * denormal},
		Tanh:       {"tanh", math.Tanh, 2.5, 0},
		Erf:        {"erf", math.Erf, 1.2, 0},
		Gelu:       {"gelu", func(x float64) float64 { return x / 2 * math.Erfc(-x*math.Sqrt2/2) }, 3, 1e-7},
		HardSwish:  {"hardSwish", func(x float64) float64 { return x * min(max(x/6+0.5, 0), 1) }, 1.5, 2e-7},
		GeluTanh:   {"geluTanh", func(x float64) float64 { return x * sigmoid(geluLinear*(x+0.044715*x*x*x)) }, 4, 5e-8},
	}
	if len(tests) != int(numUnary) {
		t.Fatalf("%d functions are tested of %d", len(tests), numUnary)
	}
	engines(t, func(t *testing.T, e *Engine) {
		for op, c := range tests {
			t.Run(c.name, func(t *testing.T) {
				x := arguments()
				y, intact := guarded(len(x))
				e.Map(op, y, x)
				worst, where := 0.0, float32(0)
				for i, v := range x {
					want := c.want(float64(v))
					if math.Abs(float64(y[i])-want) <= c.abs {
						continue
					}
					if u := ulps(y[i], want); u > worst || math.IsNaN(u) {
						worst, where = u, v
					}
				}
				if !(worst <= c.ulp) {
					t.Errorf("error of %.3g ulp at %g, want at most %g", worst, where, c.ulp)
				}
				if !intact() {
					t.Error("wrote outside")
				}
			})
		}
	})
}

// The portable code computes the same polynomials in float64 and rounds once, the
// assembly in float32: measured, at most 3 units of the last place apart.
func TestKindsAgreeOnUnaryFunctions(t *testing.T) {
	x := arguments()
	g, err := New(Options{Kind: Go, Threads: 1})
	if err != nil {
		t.Fatal(err)
	}
	engines(t, func(t *testing.T, e *Engine) {
		for op := range numUnary {
			want, got := make([]float32, len(x)), make([]float32, len(x))
			g.Map(op, want, x)
			e.Map(op, got, x)
			for i := range x {
				if math.Abs(float64(got[i])-float64(want[i])) <= 1e-7 && (op == Gelu || op == GeluTanh) {
					continue // cancels below 0
				}
				if u := ulps(got[i], float64(want[i])); u > 3 || math.IsNaN(u) {
					t.Fatalf("function %d at %g: %g, and %g in Go, %g apart", op, x[i], got[i], want[i], u)
				}
			}
		}
	})
}

package cpu

import (
	"fmt"
	"math"
	"testing"
)

var binaryFacts = map[Binary]struct {
	name string
	want func(x, y float64) float64
}{
	Add: {"add", func(x, y float64) float64 { return x + y }},
	Sub: {"sub", func(x, y float64) float64 { return x - y }},
	Mul: {"mul", func(x, y float64) float64 { return x * y }},
	Div: {"div", func(x, y float64) float64 { return x / y }},
	Max: {"max", func(x, y float64) float64 { return max(x, y) }},
	Min: {"min", func(x, y float64) float64 { return min(x, y) }},
}

// special puts NaNs and infinities among random numbers.
func special(seed uint64, n int) []float32 {
	x := random(seed, n)
	for i := 3; i < n; i += 7 {
		x[i] = []float32{float32(math.NaN()), float32(math.Inf(1)), float32(math.Inf(-1)), 0}[i/7%4]
	}
	return x
}

// These operations are correctly rounded everywhere.
func TestBinaryFormsAreExactForEveryLength(t *testing.T) {
	engines(t, func(t *testing.T, e *Engine) {
		for op, c := range binaryFacts {
			for n := range 70 {
				x, y := special(1, n), special(uint64(n+2), n)
				for _, s := range []float32{0.75, float32(math.NaN())} {
					forms := map[string]struct {
						run  func(dst []float32)
						want func(i int) float64
					}{
						"vector, vector": {func(d []float32) { e.Zip(op, d, x, y) }, func(i int) float64 { return c.want(float64(x[i]), float64(y[i])) }},
						"vector, number": {func(d []float32) { e.ZipScalar(op, d, x, s) }, func(i int) float64 { return c.want(float64(x[i]), float64(s)) }},
						"number, vector": {func(d []float32) { e.ScalarZip(op, d, s, y) }, func(i int) float64 { return c.want(float64(s), float64(y[i])) }},
					}
					for form, f := range forms {
						d, intact := guarded(n)
						f.run(d)
						for i := range d {
							if u := ulps(d[i], f.want(i)); !(u <= 0.5) && !(math.IsNaN(f.want(i)) && d[i] != d[i]) {
								t.Fatalf("%s of %s, element %d of %d: %g, want %g", c.name, form, i, n, d[i], f.want(i))
							}
						}
						if !intact() {
							t.Fatalf("%s of %s, %d elements: wrote outside", c.name, form, n)
						}
					}
				}
			}
		}
	})
}

func TestFusedKernelsForEveryLength(t *testing.T) {
	engines(t, func(t *testing.T, e *Engine) {
		for n := range 70 {
			a, b, c := random(1, n), random(2, n), random(3, n)
			if n > 2 {
				b[0], b[1] = 0, float32(math.Copysign(0, -1))
			}
			sign := func(z float32) float64 {
				if z < 0 {
					return -1
				}
				return 1
			}
			axpy := random(4, n)
			axpyFrom := append([]float32(nil), axpy...)
			for name, f := range map[string]struct {
				run  func(dst []float32)
				want func(i int) float64
				ulp  float64
			}{
				"a·b+c":             {func(d []float32) { e.MulAdd(d, a, b, c) }, func(i int) float64 { return float64(a[i])*float64(b[i]) + float64(c[i]) }, 0.51},
				"y+s·x":             {func(d []float32) { e.Axpy(axpy, 0.3, a); copy(d, axpy) }, func(i int) float64 { return float64(float32(0.3))*float64(a[i]) + float64(axpyFrom[i]) }, 0.51},
				"r/(z+eps)":         {func(d []float32) { e.DivEps(d, a, b, 1e-3) }, func(i int) float64 { return float64(a[i]) / float64(b[i]+1e-3) }, 0.5},
				"r/(z+eps·sign(z))": {func(d []float32) { e.DivSignEps(d, a, b, 1e-3) }, func(i int) float64 { return float64(a[i]) / float64(b[i]+float32(sign(b[i]))*1e-3) }, 0.5},
			} {
				d, intact := guarded(n)
				f.run(d)
				for i := range d {
					if u := ulps(d[i], f.want(i)); !(u <= f.ulp) {
						t.Fatalf("%s, element %d of %d: %g, want %g", name, i, n, d[i], f.want(i))
					}
				}
				if !intact() {
					t.Fatalf("%s, %d elements: wrote outside", name, n)
				}
			}
		}
	})
}

func TestBroadcast(t *testing.T) {
	tests := map[string]struct{ shape, xs, ys []int }{
		"nothing repeated":         {[]int{3, 5, 7}, []int{35, 7, 1}, []int{35, 7, 1}},
		"one row for all":          {[]int{40, 33}, []int{33, 1}, []int{0, 1}},
		"one number a row":         {[]int{40, 33}, []int{33, 1}, []int{1, 0}},
		"number a row on the left": {[]int{40, 33}, []int{1, 0}, []int{33, 1}},
		"row with column":          {[]int{21, 19}, []int{0, 1}, []int{1, 0}},
		"two numbers":              {[]int{4, 4}, []int{0, 0}, []int{0, 0}},
		"a channel's bias":         {[]int{2, 3, 4, 5}, []int{60, 20, 5, 1}, []int{0, 1, 0, 0}},
		"transposed":               {[]int{17, 23}, []int{1, 17}, []int{23, 1}},
		"both transposed":          {[]int{17, 23}, []int{1, 17}, []int{1, 17}},
		"middle repeated":          {[]int{3, 4, 6}, []int{6, 0, 1}, []int{24, 6, 1}},
		"long rows":                {[]int{2, 40000}, []int{40000, 1}, []int{1, 0}},
		"long strided rows":        {[]int{2, 40000}, []int{1, 2}, []int{40000, 1}},
		"many short rows":          {[]int{20000, 3}, []int{3, 1}, []int{0, 1}},
		"no dimension":             {[]int{}, []int{}, []int{}},
		"nothing":                  {[]int{3, 0}, []int{0, 1}, []int{0, 1}},
		"size 1 dimensions":        {[]int{1, 5, 1, 3}, []int{99, 3, 77, 1}, []int{0, 0, 0, 1}},
	}
	engines(t, func(t *testing.T, e *Engine) {
		for name, c := range tests {
			t.Run(name, func(t *testing.T) {
				n := 1
				for _, d := range c.shape {
					n *= d
				}
				x, y := random(1, reach(c.shape, c.xs)), random(2, reach(c.shape, c.ys))
				d, intact := guarded(n)
				for op, f := range binaryFacts {
					e.Broadcast(op, c.shape, d, Operand{Data: x, Strides: c.xs}, Operand{Data: y, Strides: c.ys})
					for i := range d {
						want := float32(f.want(float64(x[locate(i, c.shape, c.xs)]), float64(y[locate(i, c.shape, c.ys)])))
						if d[i] != want {
							t.Fatalf("%s: element %d is %g, want %g", f.name, i, d[i], want)
						}
					}
				}
				if !intact() {
					t.Error("wrote outside")
				}
			})
		}
	})
}

func TestBroadcastOfAReversedView(t *testing.T) {
	e := Best()
	defer e.Close()
	d := make([]float32, 3)
	e.Broadcast(Sub, []int{3}, d, Operand{Data: []float32{1, 2, 4}, Offset: 2, Strides: []int{-1}}, Operand{Data: []float32{1}, Strides: []int{0}})
	if got := fmt.Sprint(d); got != "[3 1 0]" {
		t.Errorf("reversed minus 1 is %s, want [3 1 0]", got)
	}
}

// reach is the number of elements that a view of the shape needs.
func reach(shape, strides []int) int {
	n := 1
	for i, d := range shape {
		if d == 0 {
			return 0
		}
		n += (d - 1) * strides[i]
	}
	return n
}

// locate is where row-major element i of a shape lies in a view.
func locate(i int, shape, strides []int) int {
	at := 0
	for d := len(shape) - 1; d >= 0; d-- {
		at += i % shape[d] * strides[d]
		i /= shape[d]
	}
	return at
}

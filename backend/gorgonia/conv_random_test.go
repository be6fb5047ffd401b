package gorgonia

import (
	"context"
	"fmt"
	"math"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/lxtc/lxtc/backend"
	"github.com/lxtc/lxtc/backend/reference"
	"github.com/lxtc/lxtc/ir"
)

// windowCase is a node that moves a window, with sizes at which the kernels for
// large ones run: the backend's own random nodes are small.
type windowCase struct {
	text string
	in   tensors
}

func newWindowCase(r *rand.Rand) windowCase {
	pick := func(xs ...int) int { return xs[r.IntN(len(xs))] }
	rank := pick(1, 2, 2, 2, 3)
	op := []string{"Conv", "Conv", "ConvTranspose", "ConvTranspose", "MaxPool", "AveragePool"}[r.IntN(6)]
	groups, deep, wide := 1, pick(1, 3, 16, 40), pick(1, 5, 16, 70)
	switch r.IntN(4) {
	case 0: // depthwise, with one filter or two
		groups, deep, wide = pick(3, 17, 40), 1, pick(1, 1, 2)
	case 1:
		groups, deep, wide = pick(2, 3), pick(1, 4, 9), pick(2, 17)
	case 2:
		if r.IntN(3) == 0 { // few positions, many filters
			deep, wide = pick(16, 64), 256
		}
	}
	batch := pick(1, 1, 2, 3)
	var x, kernel, strides, dilations, pads, ends, extra []int
	for d := range rank {
		k, s, dil := pick(1, 2, 3, 3, 5, 7), pick(1, 1, 2, 3), pick(1, 1, 2)
		if rank == 3 || deep*wide > 2000 {
			k = min(k, 3)
		}
		size := pick(3, 7, 13, 14, 16, 21)
		switch {
		case rank == 3 || deep*wide > 2000:
			size = pick(3, 5, 7)
		case d == rank-1:
			size = pick(3, 7, 14, 17, 32, 45, 66)
		}
		reach := (k-1)*dil + 1
		if op != "ConvTranspose" {
			size = max(size, reach)
		}
		p, e := r.IntN(k), r.IntN(k)
		for op == "ConvTranspose" && (size-1)*s+reach-p-e < 1 {
			size++
		}
		x, kernel, strides, dilations = append(x, size), append(kernel, k), append(strides, s), append(dilations, dil)
		pads, ends, extra = append(pads, p), append(ends, e), append(extra, r.IntN(s))
	}
	list := func(xs []int) string { return strings.Join(strings.Fields(fmt.Sprint(xs)), ", ") }
	as := fmt.Sprintf("strides = %s, dilations = %s, pads = %s", list(strides), list(dilations), list(append(pads, ends...)))
	channels := groups * deep
	c := windowCase{in: tensors{}}
	random := func(name string, shape ...int) string {
		v := make([]float32, count(shape))
		for i := range v {
			v[i] = float32(r.NormFloat64())
		}
		c.in[name] = ir.Of(v, shape...)
		return fmt.Sprintf("float%s %s", strings.ReplaceAll(fmt.Sprint(shape), " ", ","), name)
	}
	params := random("x", append([]int{batch, channels}, x...)...)
	args := "x"
	switch op {
	case "Conv", "ConvTranspose":
		as += fmt.Sprintf(", group = %d", groups)
		w := []int{groups * wide, deep}
		if op == "ConvTranspose" {
			as += ", output_padding = " + list(extra)
			w = []int{groups * deep, wide}
		}
		params += ", " + random("w", append(w, kernel...)...)
		args += ", w"
		if r.IntN(2) == 0 {
			params += ", " + random("b", groups*wide)
			args += ", b"
		}
	default:
		as += ", kernel_shape = " + list(kernel) + fmt.Sprintf(", ceil_mode = %d", r.IntN(2))
	}
	c.text = fmt.Sprintf("g (%s) => (y) { y = %s <%s> (%s) }", params, op, as, args)
	return c
}

// FuzzWindows compares convolutions and pools with the reference in float64, and one
// thread with two: adjusted sums have the same bits.
func FuzzWindows(f *testing.F) {
	for seed := range uint64(300) {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, seed uint64) {
		c := newWindowCase(rand.New(rand.NewPCG(seed, 11)))
		m := parsed(t, c.text)
		exact, err := backend.Open(reference.NewDouble(), m, backend.Options{})
		if err != nil {
			t.Fatalf("%v\n%s", err, c.text)
		}
		defer exact.Close()
		out, err := exact.Run(context.Background(), c.in)
		if err != nil {
			t.Fatalf("%v\n%s", err, c.text)
		}
		want, err := out["y"].Float64s()
		if err != nil {
			t.Fatal(err)
		}
		got := ran(t, open(t, m, backend.Options{Threads: 1}), c.in)
		if len(got) != len(want) {
			t.Fatalf("%d elements, want %d\n%s", len(got), len(want), c.text)
		}
		largest := 1.0
		for _, v := range want {
			largest = max(largest, math.Abs(v))
		}
		for i, v := range want {
			// The worst of 3000 cases is below that, on every set of kernels.
			if d := math.Abs(got[i] - v); !(d <= 2e-6*largest) {
				t.Fatalf("element %d is %g, want %g\n%s", i, got[i], v, c.text)
			}
		}
		two := ran(t, open(t, m, backend.Options{Threads: 2}), c.in)
		for i := range got {
			if got[i] != two[i] {
				t.Fatalf("element %d is %g on one thread and %g on two\n%s", i, got[i], two[i], c.text)
			}
		}
	})
}

// Windows of one element that skip some, and read padding instead, have as many
// positions as the input has elements, and are no product with the input itself.
func TestConvOfOneElementWithAsManyPositions(t *testing.T) {
	for _, text := range []string{
		"g (float[1,70,2,6] x, float[60,70,1,1] w) => (y) { y = Conv <strides = [2, 1], pads = [1, 0, 1, 0]> (x, w) }",
		"g (float[1,70,4,2] x, float[60,70,1,1] w) => (y) { y = Conv <strides = [2, 1], pads = [0, 0, 0, 2]> (x, w) }",
	} {
		m := parsed(t, text)
		in, r := tensors{}, rand.New(rand.NewPCG(1, 1))
		for _, v := range m.Graph.Inputs {
			shape, _ := v.Type.Static()
			in[v.Name] = randomTensor(r, shape...)
		}
		out, err := backend.Run(t.Context(), reference.NewDouble(), m, backend.Options{}, in)
		if err != nil {
			t.Fatal(err)
		}
		want, err := out["y"].Float64s()
		if err != nil {
			t.Fatal(err)
		}
		for i, v := range ran(t, open(t, m, backend.Options{}), in) {
			if math.Abs(v-want[i]) > 1e-5 {
				t.Errorf("element %d is %g, want %g\n%s", i, v, want[i], text)
				break
			}
		}
	}
}

package gorgonia

import (
	"strings"
	"testing"

	"github.com/lxtc/lxtc/backend"
	"github.com/lxtc/lxtc/ir"
	"github.com/lxtc/lxtc/ir/ops"
)

// Each node doubles what the one before holds.
func TestMemoryIsLimited(t *testing.T) {
	var nodes strings.Builder
	for _, n := range []string{"a, x", "b, a", "c, b", "d, c", "e, d", "f, e", "g, f", "y, g"} {
		out, in, _ := strings.Cut(n, ", ")
		nodes.WriteString(out + " = Concat <axis = 0> (" + in + ", " + in + ")\n")
	}
	m, err := ir.Parse(`<ir_version: 10, opset_import: ["": 24]>
		double (float[n] x) => (float[k] y) { `+nodes.String()+` }`, ops.Standard())
	if err != nil {
		t.Fatal(err)
	}
	const elements, bytes = 1 << 16, 4 << 16
	for _, tt := range []struct {
		fact  string
		limit int64
		want  string // of the error
	}{
		{"without a limit", 0, ""},
		{"the last two values fit", 3 * 128 * bytes, ""},
		{"they do not", 3*128*bytes - 1, "Concat->y: values take more than the 0.09375 GiB of memory that they may"},
	} {
		t.Run(tt.fact, func(t *testing.T) {
			p, err := New().Compile(m, backend.Options{Memory: tt.limit})
			if err != nil {
				t.Fatal(err)
			}
			s, err := p.NewSession()
			if err != nil {
				t.Fatal(err)
			}
			defer s.Close()
			in := map[string]*ir.Tensor{"x": ir.Of(make([]float32, elements), elements)}
			for range 2 { // a session serves after it has failed
				out, err := s.Run(t.Context(), in)
				switch {
				case tt.want == "" && (err != nil || len(out["y"].Raw) != 256*bytes):
					t.Fatal(err)
				case tt.want != "" && (err == nil || err.Error() != tt.want):
					t.Fatalf("error %v, want %s", err, tt.want)
				}
			}
		})
	}
}

// The output of windows as large as this has 2⁵⁶ elements, and each has as many
// taps.
func TestHugeWindowsAreRefused(t *testing.T) {
	for _, tt := range []struct{ fact, attrs, want string }{
		{"positions", "kernel_shape = [1, 1], pads = [268435456, 268435456, 268435456, 268435456]", "too large"},
		{"taps", "kernel_shape = [268435456, 1], pads = [134217728, 0, 134217727, 0]", "too many"},
	} {
		t.Run(tt.fact, func(t *testing.T) {
			m, err := ir.Parse(`<ir_version: 10, opset_import: ["": 24]>
				pool (float[1,1,4,4] x) => (y) { y = MaxPool <`+tt.attrs+`> (x) }`, ops.Standard())
			if err != nil {
				t.Fatal(err)
			}
			p, err := New().Compile(m, backend.Options{})
			if err != nil {
				t.Fatal(err)
			}
			s, err := p.NewSession()
			if err != nil {
				t.Fatal(err)
			}
			defer s.Close()
			_, err = s.Run(t.Context(), map[string]*ir.Tensor{"x": ir.Of(make([]float32, 16), 1, 1, 4, 4)})
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("error %v, want %q in it", err, tt.want)
			}
		})
	}
}

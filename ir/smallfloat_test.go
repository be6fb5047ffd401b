package ir

import (
	"fmt"
	"math"
	"testing"
)

// TestSmallRoundTrip says that every code of every format comes back, but NaNs,
// of which some formats have several.
func TestSmallRoundTrip(t *testing.T) {
	for _, d := range []DType{Float8E4M3, Float8E4B, Float8E5M2, Float8E5B, Float8E8M0, Float4} {
		for code := range 1 << d.Bits() {
			x := FromSmall(d, uint8(code))
			if math.IsNaN(x) {
				if y := FromSmall(d, ToSmall(d, x, Rounding{})); !math.IsNaN(y) {
					t.Errorf("%s: NaN becomes %g", d, y)
				}
				continue
			}
			if got := ToSmall(d, x, Rounding{}); int(got) != code {
				t.Errorf("%s: code %#x is %g, which becomes %#x", d, code, x, got)
			}
		}
	}
}

// TestToSmall follows the tables of ONNX's Cast.
func TestToSmall(t *testing.T) {
	inf, nan := math.Inf(1), math.NaN()
	saturate := Rounding{Saturate: true}
	for _, tt := range []struct {
		d    DType
		x    float64
		r    Rounding
		want float64
	}{
		{Float8E4M3, 1000, saturate, 448},
		{Float8E4M3, -inf, saturate, -448},
		{Float8E4M3, 1000, Rounding{}, nan},
		{Float8E4M3, 464, Rounding{}, 448}, // halfway to what would be 480, even
		{Float8E4M3, 1.0625, Rounding{}, 1},
		{Float8E4M3, 1.1875, Rounding{}, 1.25},
		{Float8E4M3, math.Ldexp(1, -10), Rounding{}, 0}, // half the least subnormal
		{Float8E4B, 1000, saturate, 240},
		{Float8E5M2, 1e9, saturate, 57344},
		{Float8E5M2, 1e9, Rounding{}, inf},
		{Float8E5M2, -61440, Rounding{}, -inf}, // halfway, odd below
		{Float8E5B, inf, Rounding{}, nan},
		{Float4, 100, Rounding{}, 6},
		{Float4, 2.5, Rounding{}, 2},
		{Float4, -0.75, Rounding{}, -1},
		{Float8E8M0, 3, Rounding{Up: true, Saturate: true}, 4},
		{Float8E8M0, 3.9, Rounding{Down: true}, 2},
		{Float8E8M0, 3, Rounding{}, 4}, // nearest, ties up
		{Float8E8M0, 2.9, Rounding{}, 2},
		{Float8E8M0, inf, saturate, math.Ldexp(1, 127)},
		{Float8E8M0, 0, Rounding{}, nan},
		{Float8E8M0, -1, saturate, nan},
	} {
		got := FromSmall(tt.d, ToSmall(tt.d, tt.x, tt.r))
		if fmt.Sprint(got) != fmt.Sprint(tt.want) {
			t.Errorf("%g as %s, %+v, is %g, want %g", tt.x, tt.d, tt.r, got, tt.want)
		}
	}
	if code := ToSmall(Float8E4B, math.Copysign(0, -1), Rounding{}); code != 0 {
		t.Errorf("-0 as %s is %#x, which is NaN", Float8E4B, code)
	}
}

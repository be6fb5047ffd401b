package ir

import (
	"math"
	"slices"
	"testing"
)

func TestNumbersOfTensors(t *testing.T) {
	tests := []struct {
		name string
		in   *Tensor
		want []float64
	}{
		{"a uint64 above the largest int64", &Tensor{Elem: Uint64, Shape: []int{1}, Raw: []byte{0, 0, 0, 0, 0, 0, 0, 0x80}}, []float64{1 << 63}},
		{"a boolean is 0 or 1, whatever its byte", &Tensor{Elem: Bool, Shape: []int{3}, Raw: []byte{0, 1, 7}}, []float64{0, 1, 1}},
		{"4-bit integers, low bits first", &Tensor{Elem: Int4, Shape: []int{3}, Raw: []byte{0x8f, 0x01}}, []float64{-1, -8, 1}},
		{"2-bit integers, low bits first", &Tensor{Elem: Int2, Shape: []int{3}, Raw: []byte{0b00_10_01_11}}, []float64{-1, 1, -2}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, err := tt.in.Float64s()
			if err != nil || !slices.Equal(got, tt.want) {
				t.Errorf("got %v, %v, want %v", got, err, tt.want)
			}
		})
	}
}

// Of a number that a type cannot hold, a scalar remembers all digits.
func TestScalarRemembers(t *testing.T) {
	for _, tt := range []struct {
		elem  DType
		x     float64
		exact []float64
	}{
		{Float, 0.5, nil},
		{Float, 0.1, []float64{0.1}},
		{Double, 0.1, nil},
		{Float16, 1e-10, []float64{1e-10}},
		{Int64, 2, nil},
	} {
		got, err := Scalar(tt.elem, tt.x)
		if err != nil {
			t.Fatal(err)
		}
		if !slices.Equal(got.Exact, tt.exact) {
			t.Errorf("%g as %s remembers %v, want %v", tt.x, tt.elem, got.Exact, tt.exact)
		}
	}
}

// Decimal undoes what rounding to float32 did to numbers of up to six digits, and
// what it gives rounds to the same float32.
func TestDecimal(t *testing.T) {
	for _, x := range []float64{0, 0.1, -1e-6, 1.702, 1e-10, 0.044715, 123456, 0.25, math.Inf(1)} {
		if got := Decimal(float32(x)); got != x {
			t.Errorf("Decimal(float32(%v)) is %v", x, got)
		}
	}
	for _, x := range []float64{1 / math.Sqrt2, math.Pi, 1.0 / 3, math.SmallestNonzeroFloat32, math.MaxFloat32} {
		if got := Decimal(float32(x)); float32(got) != float32(x) {
			t.Errorf("Decimal(%v) is %v, another float32", float32(x), got)
		}
	}
}

package ir

import (
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

package npy

import (
	"bytes"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// The files in testdata are NumPy's own; testdata/gen/image/npy.py makes them.
func read(t *testing.T, name string) []byte {
	t.Helper()
	b, err := os.ReadFile(filepath.Join("testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func count(from float64, n int) []float64 {
	out := make([]float64, n)
	for i := range out {
		out[i] = from + float64(i)
	}
	return out
}

func TestDecodeReadsWhatNumPyWrites(t *testing.T) {
	tests := []struct {
		file  string
		dtype string
		shape []int
		want  []float64
	}{
		{"f2", "f2", []int{2, 3}, count(-3, 6)},
		{"f4", "f4", []int{2, 3}, count(-3, 6)},
		{"f8", "f8", []int{2, 3}, count(-3, 6)},
		{"i1", "i1", []int{2, 3}, count(-3, 6)},
		{"i2", "i2", []int{2, 3}, count(-3, 6)},
		{"i4", "i4", []int{2, 3}, count(-3, 6)},
		{"i8", "i8", []int{2, 3}, count(-3, 6)},
		{"u1", "u1", []int{2, 3}, count(0, 6)},
		{"u2", "u2", []int{2, 3}, count(0, 6)},
		{"u4", "u4", []int{2, 3}, count(0, 6)},
		{"u8", "u8", []int{2, 3}, count(0, 6)},
		{"b1", "b1", []int{2, 3}, []float64{0, 1, 0, 1, 0, 1}},
		{"scalar", "f8", []int{}, []float64{2.5}},
		{"vector", "i4", []int{5}, count(-3, 5)},
		{"empty", "f4", []int{2, 0, 3}, []float64{}},
		{"rank5", "u1", []int{1, 2, 1, 3, 2}, count(0, 12)},
		{"fortran", "i4", []int{2, 3, 4}, count(-3, 24)},
		{"bigendian", "f4", []int{2, 3}, count(-3, 6)},
		{"version2", "f4", []int{2, 3}, count(-3, 6)},
		{"version3", "f4", []int{2, 3}, count(-3, 6)},
	}
	for _, tt := range tests {
		t.Run(tt.file, func(t *testing.T) {
			a, err := Decode(read(t, tt.file+".npy"))
			if err != nil {
				t.Fatal(err)
			}
			got, err := a.Float64s()
			if err != nil {
				t.Fatal(err)
			}
			if d := cmp.Diff(tt.want, got); d != "" {
				t.Error("values (-want +got):\n" + d)
			}
			if d := cmp.Diff(tt.shape, a.Shape); d != "" || a.DType != tt.dtype {
				t.Errorf("got %s%v, want %s%v", a.DType, a.Shape, tt.dtype, tt.shape)
			}
		})
	}
}

func TestEncodeWritesNumPysBytes(t *testing.T) {
	for _, name := range strings.Fields("f2 f4 f8 i1 i2 i4 i8 u1 u2 u4 u8 b1 scalar vector empty rank5 strings special") {
		t.Run(name, func(t *testing.T) {
			want := read(t, name+".npy")
			a, err := Decode(want)
			if err != nil {
				t.Fatal(err)
			}
			got, err := Encode(a)
			if err != nil {
				t.Fatal(err)
			}
			if !bytes.Equal(got, want) {
				t.Errorf("wrote\n%q\nNumPy wrote\n%q", got, want)
			}
		})
	}
}

func TestHalfPrecisionSpecialValues(t *testing.T) {
	a, err := Decode(read(t, "special.npy"))
	if err != nil {
		t.Fatal(err)
	}
	got, err := a.Float64s()
	if err != nil {
		t.Fatal(err)
	}
	if !math.Signbit(got[1]) || !math.IsInf(got[2], 1) || !math.IsInf(got[3], -1) || !math.IsNaN(got[4]) {
		t.Errorf("got %v, want 0 -0 +Inf -Inf NaN …", got)
	}
	if want := math.Ldexp(1, -24); got[5] != want || got[6] != 65504 {
		t.Errorf("got %v and %v, want the smallest subnormal %v and 65504", got[5], got[6], want)
	}
}

func TestStringsRoundTrip(t *testing.T) {
	want := []string{"Mount", "▁Everest", "🏔", ""}
	made, err := NewStrings(want)
	if err != nil {
		t.Fatal(err)
	}
	fromNumPy, err := Decode(read(t, "strings.npy"))
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(fromNumPy, made); d != "" {
		t.Error("array differs from NumPy's (-want +got):\n" + d)
	}
	got, err := made.Strings()
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
	swapped, err := Decode(read(t, "bigendian_strings.npy"))
	if err != nil {
		t.Fatal(err)
	}
	if got, _ := swapped.Strings(); !slices.Equal(got, []string{"a", "größe", ""}) {
		t.Errorf("big endian strings are %q", got)
	}
	if _, err := NewStrings([]string{"ok", "lost\x00"}); err == nil {
		t.Error("a string NumPy would cut short was accepted")
	}
}

func TestNewNamesEveryType(t *testing.T) {
	check := func(a Array, err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		file, err := Decode(read(t, a.DType+".npy"))
		if err != nil {
			t.Fatal(err)
		}
		if d := cmp.Diff(file, a); d != "" {
			t.Errorf("%s (-NumPy +New):\n%s", a.DType, d)
		}
	}
	shape := []int{2, 3}
	check(New(shape, []float32{-3, -2, -1, 0, 1, 2}))
	check(New(shape, []float64{-3, -2, -1, 0, 1, 2}))
	check(New(shape, []int8{-3, -2, -1, 0, 1, 2}))
	check(New(shape, []int16{-3, -2, -1, 0, 1, 2}))
	check(New(shape, []int32{-3, -2, -1, 0, 1, 2}))
	check(New(shape, []int64{-3, -2, -1, 0, 1, 2}))
	check(New(shape, []uint8{0, 1, 2, 3, 4, 5}))
	check(New(shape, []uint16{0, 1, 2, 3, 4, 5}))
	check(New(shape, []uint32{0, 1, 2, 3, 4, 5}))
	check(New(shape, []uint64{0, 1, 2, 3, 4, 5}))
	check(New(shape, []bool{false, true, false, true, false, true}))
	if _, err := New([]int{7}, []float32{1, 2}); err == nil {
		t.Error("two values fit a shape of seven")
	}
}

func TestInt64s(t *testing.T) {
	a, err := New(nil, []int16{-3, 7, math.MinInt16})
	if err != nil {
		t.Fatal(err)
	}
	got, err := a.Int64s()
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff([]int64{-3, 7, math.MinInt16}, got); d != "" {
		t.Error(d)
	}
	big, err := New(nil, []uint64{math.MaxUint64})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := big.Int64s(); err == nil {
		t.Error("2^64-1 fitted an int64")
	}
	half, err := New(nil, []float32{0.5})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := half.Int64s(); err == nil {
		t.Error("a float array was read as integers")
	}
}

func TestFloat32sKeepsBits(t *testing.T) {
	want := math.Float32frombits(0x7fa00001) // a signalling NaN with a payload
	a := Array{DType: "f4", Shape: []int{1}, Data: []byte{0x01, 0x00, 0xa0, 0x7f}}
	got, err := a.Float32s()
	if err != nil {
		t.Fatal(err)
	}
	if math.Float32bits(got[0]) != math.Float32bits(want) {
		t.Errorf("got %#x, want %#x", math.Float32bits(got[0]), math.Float32bits(want))
	}
}

func TestDecodeRefuses(t *testing.T) {
	f4 := func(dict, data string) string {
		dict += "\n"
		return magic + "\x01\x00" + string([]byte{byte(len(dict)), byte(len(dict) >> 8)}) + dict + data
	}
	tests := []struct {
		fact, file, want string
	}{
		{"another file", "PNG", "does not start with"},
		{"a header cut short", magic + "\x01\x00\xff\xff{", "ends within its header"},
		{"a length cut short", magic + "\x02\x00\x01", "ends within its header"},
		{"a future version", magic + "\x09\x00\x00\x00", "unknown format version 9"},
		{"a huge header", magic + "\x02\x00\xff\xff\xff\xff{", "over the limit"},
		{"structured", string(read(t, "structured.npy")), "structured dtypes"},
		{"complex", f4("{'descr': '<c8', 'fortran_order': False, 'shape': ()}", "12345678"), "unsupported dtype"},
		{"objects", f4("{'descr': '|O', 'fortran_order': False, 'shape': ()}", "12345678"), "unsupported dtype"},
		{"endlessly many strings without a letter", f4("{'descr': '<U0', 'fortran_order': False, 'shape': (4611686018427387904,)}", ""), "unsupported dtype"},
		{"a missing key", f4("{'descr': '<f4', 'shape': ()}", "1234"), `"fortran_order" is missing`},
		{"a key twice", f4("{'shape': (), 'shape': ()}", "1234"), "twice"},
		{"a strange key", f4("{'size': 3}", ""), "unknown key"},
		{"code after the dictionary", f4("{'descr': '<f4', 'fortran_order': False, 'shape': ()} or 1", "1234"), "after the dictionary"},
		{"a negative dimension", f4("{'descr': '<f4', 'fortran_order': False, 'shape': (-1,)}", ""), "want a dimension"},
		{"a size that overflows", f4("{'descr': '<f4', 'fortran_order': False, 'shape': (4611686018427387904, 4)}", ""), "does not fit"},
		{"an overflow hidden by a zero", f4("{'descr': '<f4', 'fortran_order': False, 'shape': (4611686018427387904, 4, 0)}", ""), "does not fit"},
		{"a size beyond the file", f4("{'descr': '<f4', 'fortran_order': False, 'shape': (1000000,)}", "1234"), "needs 4000000 bytes, the file has 4"},
		{"bytes after the array", f4("{'descr': '<f4', 'fortran_order': False, 'shape': ()}", "12345678"), "needs 4 bytes, the file has 8"},
		{"65 axes", f4("{'descr': '<f4', 'fortran_order': False, 'shape': ("+strings.Repeat("1,", 65)+")}", "1234"), "rank is over"},
	}
	for _, tt := range tests {
		t.Run(tt.fact, func(t *testing.T) {
			_, err := Decode([]byte(tt.file))
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got %v, want an error with %q", err, tt.want)
			}
		})
	}
}

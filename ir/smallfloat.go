package ir

import "math"

// A smallFormat is a floating point format of at most 8 bits.
type smallFormat struct {
	bits, mantissa, bias int
	signed               bool
	nan                  []uint8 // codes that are NaN; the first is the one to write
	inf                  uint8   // code of +∞, 0 if there is none
}

// small returns the format of d, if it is one of the OCP specifications for
// 8-bit and microscaling formats, or a variant without negative zero ("uz").
func (d DType) small() (smallFormat, bool) {
	switch d {
	case Float8E4M3:
		return smallFormat{8, 3, 7, true, []uint8{0x7f, 0xff}, 0}, true
	case Float8E4B:
		return smallFormat{8, 3, 8, true, []uint8{0x80}, 0}, true
	case Float8E5M2:
		return smallFormat{8, 2, 15, true, []uint8{0x7f, 0x7e, 0x7d, 0xff, 0xfe, 0xfd}, 0x7c}, true
	case Float8E5B:
		return smallFormat{8, 2, 16, true, []uint8{0x80}, 0}, true
	case Float4:
		return smallFormat{4, 1, 1, true, nil, 0}, true
	case Float8E8M0:
		return smallFormat{8, 0, 127, false, []uint8{0xff}, 0}, true
	}
	return smallFormat{}, false
}

// IsSmallFloat reports whether d is a floating point format of 8 or 4 bits: a
// way to store numbers, not to compute with them.
func (d DType) IsSmallFloat() bool {
	_, ok := d.small()
	return ok
}

// FromSmall returns the number that code stands for in a format of 8 or 4 bits.
func FromSmall(d DType, code uint8) float64 {
	f, _ := d.small()
	for _, c := range f.nan {
		if c == code {
			return math.NaN()
		}
	}
	if f.signed {
		sign := uint8(1) << (f.bits - 1)
		if code&sign != 0 {
			return -f.magnitude(code &^ sign)
		}
	}
	return f.magnitude(code)
}

// magnitude returns the number of a code without its sign.
func (f smallFormat) magnitude(code uint8) float64 {
	if f.inf != 0 && code == f.inf {
		return math.Inf(1)
	}
	exp, man := int(code)>>f.mantissa, int(code)&(1<<f.mantissa-1)
	if exp == 0 && f.signed { // subnormal; E8M0 has none, nor a zero
		return math.Ldexp(float64(man), 1-f.bias-f.mantissa)
	}
	return math.Ldexp(float64(man+1<<f.mantissa), exp-f.bias-f.mantissa)
}

// A Rounding says how a number becomes one of 8 or 4 bits. The zero value
// rounds to the nearest, ties to even, and makes NaN or ∞ of what is too large.
type Rounding struct {
	Saturate bool // what is too large becomes the largest number

	// For E8M0, which has only powers of two: to the nearest power, ties up, by
	// default; or else up or down.
	Up, Down bool
}

// ToSmall returns the code of the number nearest to x in a format of 8 or 4
// bits, as ONNX's Cast has it. Where the format has no NaN, NaN becomes -0, as
// the onnx package has it.
func ToSmall(d DType, x float64, r Rounding) uint8 {
	f, _ := d.small()
	if !f.signed {
		return f.power(x, r)
	}
	sign := uint8(0)
	if math.Signbit(x) {
		sign = 1 << (f.bits - 1)
	}
	zeroIsSigned := len(f.nan) != 1
	withSign := func(code uint8) uint8 {
		if code == 0 && !zeroIsSigned {
			return 0
		}
		return code | sign
	}
	largest := f.largest()
	nan := func() uint8 {
		switch {
		case len(f.nan) == 0:
			return 1 << (f.bits - 1)
		case !zeroIsSigned:
			return f.nan[0]
		}
		return withSign(f.nan[0])
	}
	x = math.Abs(x)
	code, fits := f.nearest(x, largest)
	switch {
	case math.IsNaN(x):
		return nan()
	case fits:
		return withSign(code)
	case r.Saturate || len(f.nan) == 0:
		return withSign(largest)
	case f.inf != 0:
		return withSign(f.inf)
	}
	return nan()
}

// largest returns the code of the largest finite number.
func (f smallFormat) largest() uint8 {
	code := uint8(1)<<(f.bits-1) - 1
	if f.inf != 0 {
		return f.inf - 1
	}
	if len(f.nan) > 0 && code == f.nan[0] {
		code--
	}
	return code
}

// nearest returns the code nearest to x ≥ 0, ties to even, and whether x is not
// too large for one. Codes are in the order of their numbers.
func (f smallFormat) nearest(x float64, largest uint8) (code uint8, fits bool) {
	lo, hi := 0, int(largest)+1 // number of lo ≤ x < number of hi
	for hi-lo > 1 {
		if mid := (lo + hi) / 2; f.finite(mid) <= x {
			lo = mid
		} else {
			hi = mid
		}
	}
	below, above := x-f.finite(lo), f.finite(hi)-x
	if above < below || above == below && lo&1 == 1 {
		lo = hi
	}
	return uint8(lo), lo <= int(largest)
}

// finite is magnitude as if every code were a number.
func (f smallFormat) finite(code int) float64 {
	f.inf = 0
	return f.magnitude(uint8(code))
}

// power returns the code of a power of two: E8M0.
func (f smallFormat) power(x float64, r Rounding) uint8 {
	const nan, largest = 0xff, 0xfe
	switch {
	case math.IsNaN(x) || math.Signbit(x) && x != 0:
		return nan
	case !(x <= math.Ldexp(1, largest-f.bias)):
		if r.Saturate {
			return largest
		}
		return nan
	case x < math.Ldexp(1, -f.bias):
		if r.Saturate || x != 0 {
			return 0
		}
		return nan
	}
	frac, exp := math.Frexp(x) // x = frac·2^exp, frac in [0.5, 1)
	code := exp - 1 + f.bias
	switch {
	case r.Down:
	case r.Up && frac > 0.5, !r.Up && frac >= 0.75:
		code++
	}
	if code > largest {
		return ToSmall(Float8E8M0, math.Inf(1), r)
	}
	return uint8(code)
}

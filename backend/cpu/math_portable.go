package cpu

import "math"

// The portable functions use the polynomials of the assembly, but in float64 with
// one rounding at the end: that is faster than imitating fused float32 steps, and
// differs from the assembly by no more than the last digit.

// horner evaluates a polynomial, highest power first.
func horner(x float64, c []float64) float64 {
	p := c[0]
	for _, v := range c[1:] {
		p = p*x + v
	}
	return p
}

// expParts splits eˣ = s·(1+r+r²·p) with s a power of two (Cephes expf); |x| < 700.
func expParts(x float64) (s, r, p float64) {
	const round = 3 << 51 // adding it rounds to an integer
	n := x*log2e + round - round
	r = x - n*(ln2Hi+ln2Lo)
	return math.Float64frombits(uint64(int64(n)+1023) << 52), r, horner(r, expPoly[:])
}

// exp is eˣ within 1e-8, 0 and +∞ beyond float32's range once rounded to it.
func exp(x float64) float64 {
	s, r, p := expParts(min(max(x, expLow), expHigh))
	return s * ((p*r+1)*r + 1)
}

func expGo(x float32) float32 { return float32(exp(float64(x))) }

func sigmoidGo(x float32) float32 { return 1 / (1 + expGo(-x)) }

func siluGo(x float32) float32 { return x / (1 + expGo(-x)) }

// tanhGo is -m/(m+2) with m = e^(-2|x|)-1, formed without cancellation, so that it
// is exact to the last digits near 0 too.
func tanhGo(x float32) float32 {
	s, r, p := expParts(max(-2*math.Abs(float64(x)), tanhLow))
	m := s*(p*r*r+r) + (s - 1)
	return float32(math.Copysign(m/(m+2), float64(x)))
}

// erfGo is x + x·P(x²) up to erfSplit and 1-e^Q(|x|) beyond.
func erfGo(x float32) float32 {
	v := float64(x)
	a := math.Abs(v)
	if a < erfSplit {
		return float32(v + v*horner(v*v, erfSmall[:]))
	}
	return float32(math.Copysign(1-exp(horner(min(a, erfMax), erfLarge[:])), v))
}

func geluGo(x float32) float32 { return 0.5 * x * (1 + erfGo(x*sqrtHalf)) }

func geluTanhGo(x float32) float32 {
	return x / (1 + expGo(-x*(geluLinear+geluCubic*x*x)))
}

func logGo(x float32) float32 { return float32(math.Log(float64(x))) }

// fma is a·b+c; the assembly's fused instruction rounds once where this rounds to
// double first, which differs in about one case in 2²⁹.
func fma(a, b, c float32) float32 { return float32(float64(a)*float64(b) + float64(c)) }

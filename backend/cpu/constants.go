package cpu

// Constants of the elementary functions; gen/math.go has the same ones for the
// assembly, and the tests compare both with math to the last digits.
const (
	log2e = 1.44269504088896341
	ln2Hi = 0.693359375 // ln 2 in two parts: n·ln2Hi is exact
	ln2Lo = -2.12194440e-4

	expLow  = -104 // e^x is 0 below, +∞ above
	expHigh = 89

	tanhLow = -40 // of -2|x|: tanh is ±1 from |x| = 9.1 on

	erfSplit = 1
	erfMax   = 4 // erf is 1 from 3.92 on
	sqrtHalf = 0.70710678118654752

	geluLinear = 1.5957691216057308  // 2·√(2/π)
	geluCubic  = 0.07135481282556868 // 0.044715·geluLinear
)

// expPoly is p of eʳ = 1+r+r²·p for |r| ≤ ln2/2 (Cephes expf).
var expPoly = [...]float64{1.9875691500e-4, 1.3981999507e-3, 8.3334519073e-3, 4.1665795894e-2, 1.6666665459e-1, 5.0000001201e-1}

// erfSmall is erf(x)/x - 1 as a polynomial in x² up to 1, a minimax fit of relative error 1.3e-9.
var erfSmall = [...]float64{7.85386040012e-5, -8.01019359092e-4, 5.18832772226e-3, -2.68538119872e-2, 1.12835851512e-1, -3.76126258247e-1, 1.28379165727e-1}

// erfLarge is ln erfc(x) from 1 to 4, a minimax fit with a relative error of erf below 2.2e-11.
var erfLarge = [...]float64{-2.169761394e-5, 4.41472650097e-4, -4.20528476045e-3, 2.52103398496e-2, -1.08422099949e-1, -6.33216396177e-1, -1.12958031206, 1.88468018167e-4}

package cpu

import "math"

// portable is the kernel set in plain Go.
func portable() *kernels {
	return &kernels{
		kind: Go, mr: 2, nr: 4, lanes: 4,
		tile: tileGo, tileT: tileTGo, packN: packNGo, packT: packTGo, dots: dotsGo, axpys: axpysGo, transpose: transposeGo,
		prefetch:  func(rows, bytes int, src *float32, ld int) {},
		widenHalf: widenHalfGo, widenBrain: widenBrainGo,
		unary: [numUnary]func(n int, x, y *float32){
			Neg:        each(func(x float32) float32 { return -x }),
			Abs:        each(func(x float32) float32 { return float32(math.Abs(float64(x))) }),
			Square:     each(func(x float32) float32 { return x * x }),
			Sqrt:       each(sqrtGo),
			Rsqrt:      each(func(x float32) float32 { return 1 / sqrtGo(x) }),
			Reciprocal: each(func(x float32) float32 { return 1 / x }),
			Relu:       each(func(x float32) float32 { return max(x, 0) }),
			Exp:        each(expGo),
			Log:        each(logGo),
			Sigmoid:    each(sigmoidGo),
			Silu:       each(siluGo),
			Tanh:       each(tanhGo),
			Erf:        each(erfGo),
			Gelu:       each(geluGo),
			GeluTanh:   each(geluTanhGo),
			HardSwish:  each(func(x float32) float32 { return x * min(max(x/6+0.5, 0), 1) }),
		},
		binary: [numBinary]binaryKernels{
			Add: pairs(func(x, y float32) float32 { return x + y }),
			Sub: pairs(func(x, y float32) float32 { return x - y }),
			Mul: pairs(func(x, y float32) float32 { return x * y }),
			Div: pairs(func(x, y float32) float32 { return x / y }),
			Max: pairs(func(x, y float32) float32 { return max(x, y) }),
			Min: pairs(func(x, y float32) float32 { return min(x, y) }),
		},
		divEps: divEpsGo, divSignEps: divSignEpsGo, mulAdd: mulAddGo, axpy: axpyGo, shifts: shiftsGo, evens: evensGo, largest: largestGo,
		windows: windowsGo(4), compare: comparesGo(), choose: chooseKernels{chooseVVGo, chooseVSGo, chooseSVGo},
		reduce: [numReduce]func(n int, x *float32) float32{
			Sum:        fold(func(s, x float32) float32 { return s + x }),
			SumSquares: fold(func(s, x float32) float32 { return fma(x, x, s) }),
			SumAbs:     fold(func(s, x float32) float32 { return s + float32(math.Abs(float64(x))) }),
			MaxOf:      func(n int, x *float32) float32 { return extreme(n, x, func(a, b float32) float32 { return max(a, b) }) },
			MinOf:      func(n int, x *float32) float32 { return extreme(n, x, func(a, b float32) float32 { return min(a, b) }) },
		},
		dot: dotGo, sqDev: sqDevGo, expSum: expSumGo, softVJP: softVJPGo, taylor: taylorGo,
		affine: affineGo, scaleWith: scaleWithGo,
	}
}

func sqrtGo(x float32) float32 { return float32(math.Sqrt(float64(x))) }

// each applies f to n elements.
func each(f func(x float32) float32) func(n int, x, y *float32) {
	return func(n int, x, y *float32) {
		d := view(y, n)
		for i, v := range view(x, n) {
			d[i] = f(v)
		}
	}
}

// pairs applies f to n pairs.
func pairs(f func(x, y float32) float32) binaryKernels {
	return binaryKernels{
		vv: func(n int, x, y, dst *float32) {
			d, b := view(dst, n), view(y, n)
			for i, v := range view(x, n) {
				d[i] = f(v, b[i])
			}
		},
		vs: func(n int, x *float32, y float32, dst *float32) {
			d := view(dst, n)
			for i, v := range view(x, n) {
				d[i] = f(v, y)
			}
		},
		sv: func(n int, x float32, y, dst *float32) {
			d := view(dst, n)
			for i, v := range view(y, n) {
				d[i] = f(x, v)
			}
		},
	}
}

// sums are partial sums, as many as the assembly has, added in the same order.
type sums [32]float32

func (s *sums) total() float32 {
	for h := 16; h > 0; h /= 2 {
		for i := range h {
			s[i] += s[i+h]
		}
	}
	return s[0]
}

func fold(f func(s, x float32) float32) func(n int, x *float32) float32 {
	return func(n int, x *float32) float32 {
		var s sums
		for i, v := range view(x, n) {
			s[i&31] = f(s[i&31], v)
		}
		return s.total()
	}
}

func extreme(n int, x *float32, f func(a, b float32) float32) float32 {
	m := *x
	for _, v := range view(x, n) {
		m = f(m, v)
	}
	return m
}

func dotGo(n int, x, y *float32) float32 {
	var s sums
	b := view(y, n)
	for i, v := range view(x, n) {
		s[i&31] = fma(v, b[i], s[i&31])
	}
	return s.total()
}

func sqDevGo(n int, x *float32, mean float32) float32 {
	return fold(func(s, v float32) float32 { return fma(v-mean, v-mean, s) })(n, x)
}

func expSumGo(n int, x *float32, top float32, y *float32) float32 {
	var s sums
	d := view(y, n)
	for i, v := range view(x, n) {
		d[i] = expGo(v - top)
		s[i&31] += d[i]
	}
	return s.total()
}

func axpyGo(n int, s float32, x, y *float32) {
	d := view(y, n)
	for i, v := range view(x, n) {
		d[i] = fma(s, v, d[i])
	}
}

func mulAddGo(n int, a, b, c, y *float32) {
	d, bb, cc := view(y, n), view(b, n), view(c, n)
	for i, v := range view(a, n) {
		d[i] = fma(v, bb[i], cc[i])
	}
}

func divEpsGo(n int, r, z, y *float32, eps float32) {
	d, zz := view(y, n), view(z, n)
	for i, v := range view(r, n) {
		d[i] = v / (zz[i] + eps)
	}
}

func divSignEpsGo(n int, r, z, y *float32, eps float32) {
	d, zz := view(y, n), view(z, n)
	for i, v := range view(r, n) {
		s := eps
		if zz[i] < 0 {
			s = -eps
		}
		d[i] = v / (zz[i] + s)
	}
}

func softVJPGo(n int, y, g *float32, s float32, dx *float32) {
	d, gg := view(dx, n), view(g, n)
	for i, v := range view(y, n) {
		d[i] = v * (gg[i] - s)
	}
}

func taylorGo(n int, x, p, r *float32, s float32, dx *float32) {
	d, pp, rr := view(dx, n), view(p, n), view(r, n)
	for i, v := range view(x, n) {
		d[i] = v * fma(-pp[i], s, rr[i])
	}
}

func affineGo(n int, x *float32, mean, inv float32, w, b, y *float32) {
	d, ww, bb := view(y, n), view(w, n), view(b, n)
	for i, v := range view(x, n) {
		d[i] = fma((v-mean)*inv, ww[i], bb[i])
	}
}

func scaleWithGo(n int, x *float32, inv float32, w, y *float32) {
	d, ww := view(y, n), view(w, n)
	for i, v := range view(x, n) {
		d[i] = v * inv * ww[i]
	}
}

package image

import "math"

// support is half the width of the filter in input samples when not shrinking.
func (f Filter) support() float64 {
	switch f {
	case Box:
		return 0.5
	case Bilinear, Hamming:
		return 1
	case Bicubic:
		return 2
	}
	return 3 // Lanczos
}

// weight is the filter at distance x. Products are rounded one by one
// (float64(...)), so that a machine with fused multiply-add gives the same
// weights as one without.
func (f Filter) weight(x float64) float64 {
	switch f {
	case Box:
		if x > -0.5 && x <= 0.5 {
			return 1
		}
		return 0
	case Bilinear:
		return max(0, 1-math.Abs(x))
	case Hamming:
		return hamming(math.Abs(x))
	case Bicubic:
		return bicubic(math.Abs(x))
	}
	if x < -3 || x >= 3 {
		return 0
	}
	return float64(sinc(x) * sinc(x/3))
}

// bicubic is Keys' cubic convolution with a = −½.
func bicubic(x float64) float64 {
	const a = -0.5
	if x < 1 {
		return float64(float64((float64((a+2)*x)-(a+3))*x)*x) + 1
	}
	if x < 2 {
		return (float64((float64((x-5)*x)+8)*x) - 4) * a
	}
	return 0
}

func hamming(x float64) float64 {
	if x >= 1 {
		return 0
	}
	if x == 0 {
		return 1
	}
	const a, b = float32(0.54), float32(0.46) // single precision in Pillow too
	return float64(sinc(x) * (float64(a) + float64(float64(b)*math.Cos(x*math.Pi))))
}

func sinc(x float64) float64 {
	if x == 0 {
		return 1
	}
	x *= math.Pi
	return math.Sin(x) / x
}

package reference

import (
	"fmt"
	"math"

	"github.com/lxtc/lxtc/ir"
)

var signalKernels = map[string]kernel{
	"HannWindow":      window(0.5, 0.5, 0),
	"HammingWindow":   window(25./46, 21./46, 0),
	"BlackmanWindow":  window(0.42, 0.5, 0.08),
	"MelWeightMatrix": melWeightMatrix,
}

// window returns the kernel of a - b cos(2πi/n) + c cos(4πi/n).
func window(a, b, c float64) kernel {
	return func(n *ir.Node, in []*Array) ([]*Array, error) {
		size := int(in[0].I[0])
		out, err := alloc(ir.DType(n.Attrs.Int("output_datatype", 1)), size)
		if err != nil {
			return nil, err
		}
		period := float64(size)
		if n.Attrs.Int("periodic", 1) == 0 {
			period = max(1, period-1)
		}
		if out.F == nil {
			return nil, fmt.Errorf("a window of type %s", out.Elem)
		}
		for i := range out.F {
			t := 2 * math.Pi * float64(i) / period
			out.F[i] = a - b*math.Cos(t) + c*math.Cos(2*t)
		}
		return []*Array{out}, nil
	}
}

// melWeightMatrix makes a triangle over frequencies for each band. The corners
// are equally far apart in mel, 2595 log10(1 + f/700), rounded down to bins.
func melWeightMatrix(n *ir.Node, in []*Array) ([]*Array, error) {
	bands, length, rate := int(in[0].I[0]), int(in[1].I[0]), float64(in[2].I[0])
	if bands < 0 || length < 0 || bands > maxElems || length > maxElems || rate <= 0 {
		return nil, fmt.Errorf("%d bands of %d points at %g Hz", bands, length, rate)
	}
	out, err := alloc(ir.DType(n.Attrs.Int("output_datatype", 1)), length/2+1, bands)
	if err != nil {
		return nil, err
	}
	if out.F == nil {
		return nil, fmt.Errorf("weights of type %s", out.Elem)
	}
	mel := func(f float64) float64 { return 2595 * math.Log10(1+f/700) }
	lo, hi := mel(in[3].F[0]), mel(in[4].F[0])
	corner := func(i int) int {
		f := 700 * (math.Pow(10, (lo+float64(i)*(hi-lo)/float64(bands+2))/2595) - 1)
		return int(math.Floor(float64(length+1) * f / rate))
	}
	for band := range bands {
		from, peak, to := corner(band), corner(band+1), corner(band+2)
		set := func(bin int, v float64) {
			if bin >= 0 && bin < out.Shape[0] {
				out.F[bin*bands+band] = v
			}
		}
		for bin := from; bin < peak; bin++ {
			set(bin, float64(bin-from)/float64(peak-from))
		}
		set(peak, 1)
		for bin := peak + 1; bin < to; bin++ {
			set(bin, float64(to-bin)/float64(to-peak))
		}
	}
	return []*Array{out}, nil
}

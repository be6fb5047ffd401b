package heatmap

import (
	"fmt"
	"math"
)

// Normalize divides the values by their largest magnitude, so that they lie in
// [-1, 1] and zero stays zero. Values that are all zero stay so.
func Normalize[T ~float32 | ~float64](values []T) ([]T, error) {
	top, err := MaxAbs(values)
	if err != nil {
		return nil, err
	}
	out := make([]T, len(values))
	if top == 0 {
		return out, nil
	}
	for i, v := range values {
		out[i] = v / top
	}
	return out, nil
}

// MaxAbs returns the largest magnitude, or an error that names the first value
// that is not finite.
func MaxAbs[T ~float32 | ~float64](values []T) (T, error) {
	var top T
	for i, v := range values {
		if !finite(float64(v)) {
			return 0, fmt.Errorf("heatmap: value %d is %v; relevance must be finite", i, v)
		}
		top = max(top, v, -v)
	}
	return top, nil
}

// unit maps a value to [-1, 1]; what lies beyond the scale is cut off.
func unit(v, scale float64) float64 {
	if scale == 0 {
		return 0
	}
	return math.Max(-1, math.Min(1, v/scale))
}

// scales returns, for every text and then every picture, the magnitude that is
// drawn in full colour.
func scales(d Doc, o Options) (texts, images []float64) {
	all := o.Max
	for _, t := range d.Texts {
		top := 0.0
		for _, tok := range t.Tokens {
			if !(tok.Special && o.SkipSpecial) {
				top = math.Max(top, math.Abs(tok.Value))
			}
		}
		texts = append(texts, top)
	}
	for _, m := range d.Images {
		top, _ := MaxAbs(m.Values) // Doc.check has seen the values
		images = append(images, top)
	}
	if o.Shared && all == 0 {
		for _, top := range append(append([]float64{}, texts...), images...) {
			all = math.Max(all, top)
		}
	}
	if all > 0 {
		for i := range texts {
			texts[i] = all
		}
		for i := range images {
			images[i] = all
		}
	}
	return texts, images
}

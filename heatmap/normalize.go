package heatmap

import (
	"fmt"
	"math"
	"slices"
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

// A picture of many pixels has a few whose relevance dwarfs all other, and that
// would be all there is to see: the strongest half percent share full colour.
const (
	manyPixels = 4096
	fullColour = 0.995
)

// scale is the magnitude drawn in full colour.
func (m Image) scale() float64 {
	top, _ := MaxAbs(m.Values) // Doc.check has seen the values
	if len(m.Values) < manyPixels {
		return top
	}
	sizes := make([]float64, len(m.Values))
	for i, v := range m.Values {
		sizes[i] = math.Abs(v)
	}
	slices.Sort(sizes)
	if q := sizes[int(fullColour*float64(len(sizes)))]; q > 0 {
		return q
	}
	return top
}

// beyond reports whether a text has values past the ends of its scale.
func (t Text) beyond(scale float64, o Options) bool {
	return slices.ContainsFunc(t.Tokens, func(tok Token) bool {
		return math.Abs(tok.Value) > scale && !(tok.Special && o.SkipSpecial)
	})
}

// beyond reports whether a picture has values past the ends of its scale.
func (m Image) beyond(scale float64) bool {
	top, _ := MaxAbs(m.Values)
	return top > scale
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
		images = append(images, m.scale())
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

package attribution

import (
	"context"
	"fmt"
	"slices"

	"github.com/lxtc/lxtc/eval"
	"github.com/lxtc/lxtc/image"
)

// Features divide the elements of a tensor into what is removed together: the
// pixels of a patch, in all channels, or the embedding of a token.
type Features struct {
	Names string // what they are: "tokens", "patches", "elements"
	Shape []int  // how they are arranged; its product is their number
	of    []int  // the feature of each element

	channels, inner int // an element's channel is its index / inner % channels
}

// FeaturesOf divides a tensor by its shape: [1, T, D] into T tokens, [1, C, H, W]
// (or, channels last, [1, H, W, C]) into patches of side×side pixels, of which
// those at the lower and right border may be smaller; anything else into its
// elements. A side of 0 is a sixteenth of the picture's longer side.
func FeaturesOf(shape []int, side int) (*Features, error) {
	n := 1
	for _, d := range shape {
		n *= d
	}
	f := &Features{of: make([]int, n), channels: 1, inner: 1}
	switch {
	case len(shape) == 3:
		f.Names, f.Shape, f.channels = "tokens", shape[1:2], shape[2]
		for i := range f.of {
			f.of[i] = i / shape[2] % shape[1]
		}
	case len(shape) == 4:
		c, h, w := shape[1], shape[2], shape[3]
		last := image.LayoutOf(shape) == image.NHWC
		f.inner = h * w
		if last {
			h, w, c, f.inner = shape[1], shape[2], shape[3], 1
		}
		f.channels = c
		if side == 0 {
			side = max(1, max(h, w)/16)
		}
		if side < 1 {
			return nil, fmt.Errorf("patches of %d pixels", side)
		}
		across := (w + side - 1) / side
		f.Names, f.Shape = "patches", []int{(h + side - 1) / side, across}
		for i := range f.of {
			pixel := i % (h * w)
			if last {
				pixel = i / c % (h * w)
			}
			f.of[i] = pixel/w/side*across + pixel%w/side
		}
	default:
		f.Names, f.Shape = "elements", []int{n}
		for i := range f.of {
			f.of[i] = i
		}
	}
	return f, nil
}

// Len returns the number of features.
func (f *Features) Len() int {
	n := 1
	for _, d := range f.Shape {
		n *= d
	}
	return n
}

// Sum returns the relevance of each feature: the sum over its elements.
func (f *Features) Sum(relevance []float64) []float64 {
	out := make([]float64, f.Len())
	for i, r := range relevance {
		out[f.of[i]] += r
	}
	return out
}

// Share divides the relevance of each feature evenly among its elements.
func (f *Features) Share(features []float64) []float64 {
	if features == nil {
		return nil
	}
	size := make([]float64, f.Len())
	for _, k := range f.of {
		size[k]++
	}
	out := make([]float64, len(f.of))
	for i, k := range f.of {
		out[i] = features[k] / size[k]
	}
	return out
}

// Zero is what removed features become by default: 0, which is the mean colour
// of a normalised picture.
func (f *Features) Zero() []float64 { return make([]float64, len(f.of)) }

// Mean is another choice: the mean of x in each channel of a picture, each
// dimension of an embedding.
func (f *Features) Mean(x []float64) []float64 {
	sum, count := make([]float64, f.channels), make([]float64, f.channels)
	for i, v := range x {
		sum[f.channel(i)] += v
		count[f.channel(i)]++
	}
	out := make([]float64, len(x))
	for i := range out {
		out[i] = sum[f.channel(i)] / count[f.channel(i)]
	}
	return out
}

// channel returns the channel of an element.
func (f *Features) channel(i int) int { return i / f.inner % f.channels }

// Removable is a View as metrics see it: a removed feature has the values of
// Base instead of its own. It implements eval.Model.
type Removable struct {
	*View
	Parts *Features
	Base  []float64 // of every element
}

var _ eval.Model = Removable{}

// Features returns the number of features.
func (r Removable) Features() int { return r.Parts.Len() }

// Scores returns the score with each of the sets removed.
func (r Removable) Scores(ctx context.Context, removed []eval.Set) ([]float64, error) {
	var out []float64
	for part := range slices.Chunk(removed, r.lens.opt.Batch) { // not all inputs at once
		xs := make([][]float64, len(part))
		for k, set := range part {
			xs[k] = slices.Clone(r.X)
			for i, f := range r.Parts.of {
				if set[f] {
					xs[k][i] = r.Base[i]
				}
			}
		}
		scores, err := r.View.Scores(ctx, xs)
		if err != nil {
			return nil, err
		}
		out = append(out, scores...)
	}
	return out, nil
}

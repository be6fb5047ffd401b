package attribution

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"

	"github.com/lxtc/lxtc"
	"github.com/lxtc/lxtc/internal/arrays"
	"github.com/lxtc/lxtc/ir"
)

// Randomize returns a copy of a model whose weights are drawn anew: the upper
// share of them, from 0 to 1, counted from the output down (cascading model
// parameter randomisation, Adebayo et al. 2018). Weights are constants of two axes
// or more. Those of floating point are drawn from a normal distribution with their
// mean and deviation; quantized ones, of 4 and 8 bits, are shuffled. It holds the
// new weights in memory.
func Randomize(m *lxtc.Model, share float64, rng *rand.Rand) (*lxtc.Model, error) {
	if !(share >= 0 && share <= 1) {
		return nil, fmt.Errorf("a share of %g of the weights; want 0 to 1", share)
	}
	c := m.IR().Clone()
	c.Closer = nil // the original owns the files
	var weights []*ir.Value
	seen := map[*ir.Value]bool{}
	for n := range c.Graph.Backward() {
		for _, v := range n.In {
			if isWeight(v) && !seen[v] {
				seen[v] = true
				weights = append(weights, v)
			}
		}
	}
	if len(weights) == 0 {
		return nil, fmt.Errorf("the model has no weights to draw anew: no constant of two axes, of floating point or quantized")
	}
	for _, v := range weights[:int(math.Ceil(share*float64(len(weights))))] {
		drawn, err := redraw(v.Data, rng)
		if err != nil {
			return nil, fmt.Errorf("weight %s: %w", v.Name, err)
		}
		v.Data = drawn
	}
	return lxtc.FromIR(c), nil
}

func isWeight(v *ir.Value) bool {
	return v.IsConst() && v.Type.Rank() >= 2 && (v.Type.Elem.IsFloat() || isQuantized(v.Type.Elem))
}

func isQuantized(t ir.DType) bool { return t.IsInt() && t.Bits() <= 8 }

// redraw returns a tensor of new numbers.
func redraw(t *ir.Tensor, rng *rand.Rand) (*ir.Tensor, error) {
	if isQuantized(t.Elem) {
		raw := slices.Clone(t.Raw) // two numbers of 4 bits stay together
		rng.Shuffle(len(raw), func(i, k int) { raw[i], raw[k] = raw[k], raw[i] })
		return &ir.Tensor{Elem: t.Elem, Shape: t.Shape, Raw: raw}, nil
	}
	x, err := t.Float64s()
	if err != nil {
		return nil, err
	}
	var mean, square float64
	for _, v := range x {
		mean += v / float64(len(x))
	}
	for _, v := range x {
		square += (v - mean) * (v - mean) / float64(len(x))
	}
	deviation := math.Sqrt(square)
	for i := range x { // Float64s made a copy
		x[i] = mean + deviation*rng.NormFloat64()
	}
	return arrays.Convert(ir.Of(x, t.Shape...), t.Elem)
}

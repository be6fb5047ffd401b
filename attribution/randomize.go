package attribution

import (
	"fmt"
	"math"
	"math/rand/v2"

	"github.com/lxtc/lxtc"
	"github.com/lxtc/lxtc/internal/arrays"
	"github.com/lxtc/lxtc/ir"
)

// Randomize returns a copy of a model whose weights, floating point constants
// of two axes or more, are drawn anew from a normal distribution with their
// mean and deviation: the upper share of them, counted from the output down
// (cascading model parameter randomisation, Adebayo et al. 2018). It holds the
// new weights in memory.
func Randomize(m *lxtc.Model, share float64, rng *rand.Rand) (*lxtc.Model, error) {
	c := m.IR().Clone()
	var weights []*ir.Value
	seen := map[*ir.Value]bool{}
	for n := range c.Graph.Backward() {
		for _, v := range n.In {
			if v.IsConst() && v.Type.Elem.IsFloat() && v.Type.Rank() >= 2 && !seen[v] {
				seen[v] = true
				weights = append(weights, v)
			}
		}
	}
	if len(weights) == 0 {
		return nil, fmt.Errorf("the model has no weights to draw anew: no floating point constant of two axes")
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

func redraw(t *ir.Tensor, rng *rand.Rand) (*ir.Tensor, error) {
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

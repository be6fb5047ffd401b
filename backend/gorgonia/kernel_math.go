package gorgonia

import (
	"math"

	"github.com/lxtc/lxtc/ir"
)

// scalars are elementwise functions without vector code: rare, or cheap as
// they are.
var scalars = map[string]func(x float64) float64{
	"Sin": math.Sin, "Cos": math.Cos, "Floor": math.Floor, "Ceil": math.Ceil, "Round": math.RoundToEven,
	"Sign": func(x float64) float64 {
		switch {
		case x > 0:
			return 1
		case x < 0:
			return -1
		}
		return x // 0 or NaN
	},
}

// scalar applies one of scalars in float64.
func scalar(c *call) ([]*Value, error) {
	f := scalars[c.n.Op.Name]
	return each(c, ir.Float, func(x float32) float32 { return float32(f(float64(x))) })
}

func leakyRelu(c *call) ([]*Value, error) {
	alpha := c.n.Attrs.Float("alpha", 0.01)
	return each(c, ir.Float, func(x float32) float32 {
		if x < 0 {
			return alpha * x
		}
		return x
	})
}

// hardSwish is x·min(max(x/6 + 1/2, 0), 1).
func hardSwish(c *call) ([]*Value, error) {
	return each(c, ir.Float, func(x float32) float32 { return x * min(max(x/6+0.5, 0), 1) })
}

func hardSigmoid(c *call) ([]*Value, error) {
	a, b := c.n.Attrs.Float("alpha", 0.2), c.n.Attrs.Float("beta", 0.5)
	return each(c, ir.Float, func(x float32) float32 { return min(max(a*x+b, 0), 1) })
}

func isNaN(c *call) ([]*Value, error) {
	return each(c, ir.Bool, func(x float32) uint8 { return truth(x != x) })
}

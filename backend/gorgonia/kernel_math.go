package gorgonia

import (
	"math"

	"github.com/lxtc/lxtc/backend/cpu"
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

// hardSigmoid is min(max(αx + β, 0), 1).
func hardSigmoid(c *call) ([]*Value, error) {
	y := c.reuse(0, ir.Float, c.in[0].shape)
	dst, src := flat[float32](y), c.floats(c.in[0])
	for _, step := range hardSigmoidSteps(c.n) {
		c.engine.ZipScalar(step.op, dst, src, step.with)
		src = dst
	}
	return one(y)
}

// A scalarStep is an elementwise operation with a number.
type scalarStep struct {
	op   cpu.Binary
	with float32
}

func hardSigmoidSteps(n *ir.Node) []scalarStep {
	a, b := n.Attrs.Float("alpha", 0.2), n.Attrs.Float("beta", 0.5)
	return []scalarStep{{cpu.Mul, a}, {cpu.Add, b}, {cpu.Max, 0}, {cpu.Min, 1}}
}

func isNaN(c *call) ([]*Value, error) {
	return each(c, ir.Bool, func(x float32) uint8 { return truth(x != x) })
}

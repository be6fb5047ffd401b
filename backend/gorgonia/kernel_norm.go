package gorgonia

import (
	"fmt"
	"math"

	"github.com/lxtc/lxtc/backend/cpu"
	"github.com/lxtc/lxtc/ir"
)

// batchNorm is BatchNormalization as a trained model uses it: a factor and a
// summand for each channel.
func batchNorm(c *call) ([]*Value, error) {
	x := c.in[0]
	if c.n.Attrs.Int("training_mode", 0) != 0 || len(x.shape) < 2 || x.len() == 0 {
		return interpret(c)
	}
	n := x.shape[1]
	for _, v := range c.in[1:] {
		if v.len() != n {
			return nil, fmt.Errorf("a parameter of shape %v for %d channels", v.shape, n)
		}
	}
	scale, shift, mean, variance := c.floats(c.in[1]), c.floats(c.in[2]), c.floats(c.in[3]), c.floats(c.in[4])
	factor, summand := make([]float32, n), make([]float32, n)
	eps := float64(c.n.Attrs.Float("epsilon", 1e-5))
	for i := range n {
		f := float64(scale[i]) / math.Sqrt(float64(variance[i])+eps)
		factor[i], summand[i] = float32(f), float32(float64(shift[i])-float64(mean[i])*f)
	}
	src := c.floats(x)
	y := c.reuse(0, ir.Float, x.shape)
	dst := flat[float32](y)
	shape := []int{x.shape[0], n, count(x.shape[2:])}
	channel := []int{0, 1, 0}
	c.engine.Broadcast(cpu.Mul, shape, dst, cpu.Operand{Data: src, Strides: rowMajor(shape)}, cpu.Operand{Data: factor, Strides: channel})
	c.engine.Broadcast(cpu.Add, shape, dst, cpu.Operand{Data: dst, Strides: rowMajor(shape)}, cpu.Operand{Data: summand, Strides: channel})
	return one(y)
}

package onnx

import (
	"github.com/lxtc/lxtc/internal/diag"
	"github.com/lxtc/lxtc/ir"
)

// globalLpPoolToReduce says GlobalLpPool by the reduction that it is: the p-norm
// over the axes behind the channels.
func globalLpPoolToReduce(u *upgrader) error {
	x, err := u.input(0)
	if err != nil {
		return err
	}
	rank := x.Type.Rank()
	if rank < 3 {
		return diag.Errorf("LX1012", "input is %s, want a known rank of 3 or more", x.Type)
	}
	var spatial []int64
	for axis := 2; axis < rank; axis++ {
		spatial = append(spatial, int64(axis))
	}
	axes := u.constant("axes", ir.Of(spatial, len(spatial)))
	p := u.c.attrs.Int("p", 2)
	u.c.attrs = nil
	switch {
	case p == 1:
		u.c.op.Name, u.c.in = "ReduceL1", []*ir.Value{x, axes}
		return nil
	case p == 2:
		u.c.op.Name, u.c.in = "ReduceL2", []*ir.Value{x, axes}
		return nil
	case p < 1:
		return diag.Errorf("LX1011", "p is %d, want 1 or more", p)
	}
	size, err := u.node("Abs", "size", nil, x)
	if err != nil {
		return err
	}
	power, err := u.node("Pow", "power", nil, size, u.constant("p", ir.Of([]float32{float32(p)})))
	if err != nil {
		return err
	}
	sum, err := u.node("ReduceSum", "sum", nil, power, axes)
	if err != nil {
		return err
	}
	u.c.op.Name, u.c.in = "Pow", []*ir.Value{sum, u.constant("root", ir.Of([]float32{1 / float32(p)}))}
	return nil
}

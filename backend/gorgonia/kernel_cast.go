package gorgonia

import "github.com/lxtc/lxtc/ir"

// cast converts between the types that models compute with; others go to the
// interpreter.
func cast(c *call) ([]*Value, error) {
	x, to := c.in[0], ir.DType(c.n.Attrs.Int("to", 0))
	switch [2]ir.DType{x.elem, to} {
	case [2]ir.DType{x.elem, x.elem}:
		return one(x.view(x.shape, x.strides, x.off))
	case [2]ir.DType{ir.Bool, ir.Float}:
		return converted[uint8, float32](c, to)
	case [2]ir.DType{ir.Bool, ir.Int64}:
		return converted[uint8, int64](c, to)
	case [2]ir.DType{ir.Bool, ir.Int32}:
		return converted[uint8, int32](c, to)
	case [2]ir.DType{ir.Int64, ir.Float}:
		return converted[int64, float32](c, to)
	case [2]ir.DType{ir.Int64, ir.Int32}:
		return converted[int64, int32](c, to)
	case [2]ir.DType{ir.Int32, ir.Int64}:
		return converted[int32, int64](c, to)
	case [2]ir.DType{ir.Int32, ir.Float}:
		return converted[int32, float32](c, to)
	case [2]ir.DType{ir.Double, ir.Float}:
		return converted[float64, float32](c, to)
	case [2]ir.DType{ir.Float, ir.Double}:
		return converted[float32, float64](c, to)
	case [2]ir.DType{ir.Float, ir.Int64}:
		return converted[float32, int64](c, to)
	case [2]ir.DType{ir.Float, ir.Bool}:
		return each(c, to, func(x float32) uint8 { return truth(x != 0) })
	case [2]ir.DType{ir.Int64, ir.Bool}:
		return each(c, to, func(x int64) uint8 { return truth(x != 0) })
	case [2]ir.DType{ir.Int32, ir.Bool}:
		return each(c, to, func(x int32) uint8 { return truth(x != 0) })
	case [2]ir.DType{ir.Float16, ir.Float}:
		return each(c, to, ir.FromF16)
	case [2]ir.DType{ir.BFloat16, ir.Float}:
		return each(c, to, ir.FromBF16)
	case [2]ir.DType{ir.Float, ir.Float16}:
		return each(c, to, ir.F16)
	case [2]ir.DType{ir.Float, ir.BFloat16}:
		return each(c, to, ir.BF16)
	}
	return interpret(c)
}

func converted[T, U number](c *call, to ir.DType) ([]*Value, error) {
	return each(c, to, func(x T) U { return U(x) })
}

package reference

import (
	"fmt"
	"math"
	"strconv"

	"github.com/lxtc/lxtc/ir"
)

func cast(n *ir.Node, in []*Array) ([]*Array, error) {
	return one(castTo(n, in[0], ir.DType(n.Attrs.Int("to", 0))))
}

func castLike(n *ir.Node, in []*Array) ([]*Array, error) {
	return one(castTo(n, in[0], in[1].Elem))
}

func castTo(n *ir.Node, a *Array, elem ir.DType) (*Array, error) {
	out, err := convert(a, elem)
	if err != nil || !elem.IsSmallFloat() {
		return out, err
	}
	mode := n.Attrs.String("round_mode", "up")
	round(out, ir.Rounding{Saturate: n.Attrs.Int("saturate", 1) != 0, Up: mode == "up", Down: mode == "down"})
	return out, nil
}

// bitCast rounds to the type that the elements have, and reads the bits anew.
func bitCast(n *ir.Node, in []*Array) ([]*Array, error) {
	t, err := in[0].Tensor()
	if err != nil {
		return nil, err
	}
	if t, err = ir.NewTensor(ir.DType(n.Attrs.Int("to", 0)), t.Shape, t.Raw); err != nil {
		return nil, err
	}
	return one(FromTensor(t))
}

// round brings elements to numbers of their type of 8 or 4 bits.
func round(a *Array, r ir.Rounding) {
	for i, x := range a.F {
		a.F[i] = ir.FromSmall(a.Elem, ir.ToSmall(a.Elem, x, r))
	}
}

// convert returns a with another element type. Floating point numbers are not
// rounded: this package computes in float64 throughout. They lose their
// fraction when they become integers, after what a float32 does not hold:
// 8·log(2)/log(16), a bucket of T5's relative positions, is 2 in float32, and in
// float64, from a float32's log(16), a little less.
func convert(a *Array, elem ir.DType) (*Array, error) {
	out := NewArray(elem, a.Shape...)
	switch {
	case inFloats(elem) || elem.IsInt() || elem == ir.Bool || elem == ir.String:
	default:
		return nil, fmt.Errorf("cannot cast to type %s", elem)
	}
	for i := range a.Len() {
		if err := convertElem(out, a, i); err != nil {
			return nil, err
		}
	}
	return out, nil
}

func convertElem(out, a *Array, i int) error {
	switch {
	case a.S != nil:
		return parseElem(out, a.S[i], i)
	case out.S != nil:
		out.S[i] = formatElem(a, i)
	case a.F != nil && out.F != nil:
		out.F[i] = a.F[i]
	case a.F != nil && out.Elem == ir.Bool:
		out.I[i] = truth(a.F[i] != 0)
	case a.F != nil && out.Elem == ir.Uint64 && a.F[i] >= 1<<63:
		out.I[i] = int64(uint64(a.F[i]))
	case a.F != nil && a.Elem == ir.Float:
		out.I[i] = fit(out.Elem, int64(float32(a.F[i])))
	case a.F != nil:
		out.I[i] = fit(out.Elem, int64(a.F[i]))
	case out.F != nil && a.Elem == ir.Uint64:
		out.F[i] = float64(uint64(a.I[i]))
	case out.F != nil:
		out.F[i] = float64(a.I[i])
	case out.Elem == ir.Bool:
		out.I[i] = truth(a.I[i] != 0)
	default:
		out.I[i] = fit(out.Elem, a.I[i])
	}
	return nil
}

func truth(b bool) int64 {
	if b {
		return 1
	}
	return 0
}

func parseElem(out *Array, s string, i int) error {
	if out.S != nil {
		out.S[i] = s
		return nil
	}
	x, err := strconv.ParseFloat(s, 64)
	if err != nil {
		return fmt.Errorf("cannot cast %q to type %s", s, out.Elem)
	}
	if out.F != nil {
		out.F[i] = x
	} else {
		out.I[i] = fit(out.Elem, int64(x))
	}
	return nil
}

func formatElem(a *Array, i int) string {
	switch {
	case a.S != nil:
		return a.S[i]
	case a.F == nil:
		return strconv.FormatInt(a.I[i], 10)
	case math.IsNaN(a.F[i]):
		return "NaN"
	case math.IsInf(a.F[i], 1):
		return "INF"
	case math.IsInf(a.F[i], -1):
		return "-INF"
	case a.Elem == ir.Double:
		return strconv.FormatFloat(a.F[i], 'g', 17, 64)
	}
	return strconv.FormatFloat(a.F[i], 'g', 8, 64)
}

package passes

import (
	"bytes"
	"fmt"
	"slices"
	"strings"

	"github.com/lxtc/lxtc/ir"
	"github.com/lxtc/lxtc/passes/patterns"
	"github.com/lxtc/lxtc/passes/rewrite"
)

// Dequantize computes in float32 what is quantized on the way.
var Dequantize = Pass{
	Name: "dequantize",
	Doc: "compute quantized activations in float32, on the same integers\n\n" +
		"A quantization and the dequantization after it become one lxt.FakeQuantize, through which relevance passes. Where operators compute on the integers in between, they compute on floats that hold these integers, zero points subtracted: " +
		"float32 adds and multiplies integers below 2²⁴ without rounding, and so the numbers stay those of the quantized model.",
	After: []string{"fold", "widen", "expand"},
	Run:   dequantize,
}

func dequantize(c *Context, m *ir.Model) error {
	d := &dequantizer{c: c, m: m, g: m.Graph, ints: map[*ir.Value]*levels{}, done: map[*ir.Node]bool{}, unscaled: reach{}}
	for n := range m.Graph.Nodes() {
		if err := d.node(n); err != nil {
			return fmt.Errorf("%v: %w", n, err)
		}
	}
	for n := range m.Graph.Backward() { // what has been replaced, and what was built in vain
		if (d.done[n] || strings.HasPrefix(n.Origin, dequantizeOrigin)) && unused(m.Graph, n) {
			if err := m.Graph.Remove(n); err != nil {
				return err
			}
		}
	}
	return nil
}

// dequantizeOrigin begins the origin of what the pass makes.
const dequantizeOrigin = "dequantize <- "

// levels are integers that stand for an activation. Their floats are made when
// they are read.
type levels struct {
	zero   *ir.Value // the zero point; nil is 0
	floats *ir.Value // the integers less the zero point

	quant *ir.Node  // the quantization that makes them, if nothing is between
	scale *ir.Value // its scale
}

type dequantizer struct {
	c    *Context
	m    *ir.Model
	g    *ir.Graph
	ints map[*ir.Value]*levels
	done map[*ir.Node]bool // what has been replaced

	unscaled reach // floats that are integers
}

// node gives the outputs of n levels if they are integers, and replaces them if
// they are floats again.
func (d *dequantizer) node(n *ir.Node) error {
	switch op := n.Op.String(); {
	case op == "QuantizeLinear" && rewrite.Constant(n.In[0]) == nil:
		d.ints[n.Out[0]] = &levels{zero: n.Input(2), quant: n, scale: n.In[1]}
		d.done[n] = true
		return nil
	case op == "DynamicQuantizeLinear" && len(n.Out) == 3 && !slices.Contains(n.Out, nil):
		d.ints[n.Out[0]] = &levels{zero: n.Out[2], quant: n, scale: n.Out[1]}
		return nil
	}
	if n.Op.String() == "Mul" && d.unscaled.any(n.In) {
		n.Role = patterns.QuantizedScale
		d.c.Did("scale", n.String(), n.Role)
	}
	if len(n.Out) == 0 || n.Out[0] == nil || !slices.ContainsFunc(n.In, func(v *ir.Value) bool { return d.ints[v] != nil }) {
		return nil
	}
	b := d.m.At(d.g, n)
	b.Origin, b.Scopes = dequantizeOrigin+n.String(), n.Scopes
	y, zero, err := d.floats(b, n)
	if err == nil {
		err = b.Err()
	}
	if err != nil {
		d.c.Skipped("float32", n.String(), err.Error())
		return nil
	}
	from := n.String()
	y.Def.Name = n.Name
	if n.Out[0].Type.Elem.IsFloat() {
		if t, err := ir.Refine(y.Type, n.Out[0].Type); err == nil {
			y.Type = t
		}
		d.g.Replace(n.Out[0], y, b)
		if n.Op.Name == "Cast" {
			d.unscaled[y] = true
		}
	} else {
		d.ints[n.Out[0]] = &levels{zero: zero, floats: y}
	}
	d.done[n] = true
	d.c.Did("float32", from, y.Def.Op.String())
	return b.Err()
}

// floats returns what n computes, in float32: itself if that is a float, else
// its integers less the zero point, which it returns, too.
func (d *dequantizer) floats(b *ir.Builder, n *ir.Node) (y, zero *ir.Value, err error) {
	switch op := n.Op.String(); op {
	case "DequantizeLinear":
		y, err = d.dequantized(b, n)
	case "MatMulInteger":
		y, err = d.product(b, n, "MatMul", -2, -1)
	case "ConvInteger":
		y, err = d.product(b, n, "Conv", 0, 0)
	case "Cast":
		y, zero, err = d.cast(b, n)
	case "Add", "Sub": // of sums and their bias
		if n.Out[0].Type.Elem != ir.Int32 {
			return nil, nil, fmt.Errorf("it may overflow %s", n.Out[0].Type.Elem)
		}
		in := make([]*ir.Value, 2)
		for i, v := range n.In {
			if in[i], err = d.operand(b, v, nil, 0); err != nil {
				return nil, nil, err
			}
		}
		y = b.Op(op, in...)
	case "MaxPool", "Max", "Min", "ReduceMax", "ReduceMin":
		y, zero, err = d.moved(b, n)
	default:
		if o := d.m.Ops.Lookup(n.Op); o == nil || !o.Moves {
			return nil, nil, fmt.Errorf("it is not known on integers that stand for other numbers")
		}
		y, zero, err = d.moved(b, n)
	}
	return y, zero, err
}

// dequantized is a DequantizeLinear of levels.
func (d *dequantizer) dequantized(b *ir.Builder, n *ir.Node) (*ir.Value, error) {
	l, scale, zero := d.ints[n.In[0]], n.In[1], n.Input(2)
	if l == nil {
		return nil, fmt.Errorf("its scale or zero point is computed by a quantization")
	}
	if !sameZero(l.zero, zero) {
		return nil, fmt.Errorf("zero point %s, but %s in the quantization", zero, l.zero)
	}
	if l.fits(n) {
		return l.fake(b, scale), nil
	}
	x, err := d.read(l)
	if err != nil {
		return nil, err
	}
	switch t := scale.Type; {
	case t.Rank() == 1 && !t.Shape[0].Is(1):
		axis, rank := n.Attrs.Int("axis", 1), int64(x.Type.Rank())
		if rank < 0 {
			return nil, fmt.Errorf("the rank of %s is not known", x)
		}
		if axis < 0 {
			axis += rank
		}
		shape := make([]int64, rank-axis)
		for i := range shape {
			shape[i] = 1
		}
		shape[0] = -1
		scale = b.Op("Reshape", scale, b.Ints(shape...))
	case t.Rank() > 1:
		return nil, fmt.Errorf("scales %s in blocks", t)
	}
	y := b.Mul(x, scale)
	y.Def.Role = patterns.QuantizedScale
	return y, nil
}

// fits reports whether a dequantization has its scales where the quantization
// had them: one for all, or of one shape along one axis.
func (l *levels) fits(n *ir.Node) bool {
	if l.quant == nil {
		return false
	}
	s, t := l.scale.Type, n.In[1].Type
	if s.Rank() == 0 && t.Rank() == 0 {
		return true
	}
	same := l.scale == n.In[1] || s.Rank() == 1 && t.Rank() == 1 && s.Shape[0].Same(t.Shape[0])
	return same && l.quant.Attrs.Int("axis", 1) == n.Attrs.Int("axis", 1) && l.quant.Attrs.Int("block_size", 0) == n.Attrs.Int("block_size", 0)
}

// fake is the quantization, and a dequantization by unit.
func (l *levels) fake(b *ir.Builder, unit *ir.Value) *ir.Value {
	var attrs ir.Attrs
	for _, a := range l.quant.Attrs {
		if slices.Contains([]string{"axis", "block_size", "output_dtype", "saturate"}, a.Name) {
			attrs = append(attrs, a)
		}
	}
	x, factor := l.quant.In[0], (*ir.Value)(nil)
	if n := x.Def; n != nil && n.Op.String() == "Mul" && n.Origin == l.quant.Origin && fixed(n.In[1]) {
		x, factor = n.In[0], n.In[1] // of one requantization
	}
	return b.Node(fakeQuantize, attrs, x, l.scale, unit, l.zero, factor).Out[0]
}

// fixed reports whether v is computed from constants.
func fixed(v *ir.Value) bool {
	if v.Data != nil || v.Def == nil {
		return v.Data != nil
	}
	return !slices.ContainsFunc(v.Def.In, func(in *ir.Value) bool { return in != nil && !fixed(in) })
}

var fakeQuantize = ir.OpName{Domain: "lxt", Name: "FakeQuantize"}

// read returns the floats of levels.
func (d *dequantizer) read(l *levels) (*ir.Value, error) {
	if l.floats != nil {
		return l.floats, nil
	}
	b := d.m.After(l.quant)
	b.Origin, b.Scopes = dequantizeOrigin+l.quant.String(), l.quant.Scopes
	one := b.Scalar(1, l.scale)
	if l.scale.Type.Rank() != 0 {
		one = b.Op("Expand", one, b.Op("Shape", l.scale))
	}
	x := l.fake(b, one)
	if err := b.Err(); err != nil {
		return nil, err
	}
	l.floats = x
	return x, nil
}

// operand returns an operand less its zero point: the floats of levels, or a
// constant, of which each index along axis may have a zero point.
func (d *dequantizer) operand(b *ir.Builder, v, zero *ir.Value, axis int64) (*ir.Value, error) {
	if l := d.ints[v]; l != nil {
		if !sameZero(l.zero, zero) {
			return nil, fmt.Errorf("zero point %s, but %s in the quantization", zero, l.zero)
		}
		return d.read(l)
	}
	switch {
	case v.Type.Elem == ir.Int32 && zero == nil:
		return b.OpA("Cast", ir.Attrs{{Name: "to", Value: int64(ir.Float)}}, v), nil
	case zero == nil || zero.Type.Rank() == 0:
		return b.Op("DequantizeLinear", v, b.Constant(ir.Of([]float32{1})), zero), nil
	case zero.Type.Rank() == 1:
		if rank := v.Type.Rank(); rank < 0 {
			return nil, fmt.Errorf("the rank of %s is not known", v)
		} else if axis < 0 {
			axis += int64(rank)
		}
		ones := b.OpA("ConstantOfShape", ir.Attrs{{Name: "value", Value: ir.Of([]float32{1}, 1)}}, b.Op("Shape", zero))
		return b.OpA("DequantizeLinear", ir.Attrs{{Name: "axis", Value: axis}}, v, ones, zero), nil
	}
	return nil, fmt.Errorf("zero points %s", zero.Type)
}

// product is a product of integers: at most one of its operands is constant.
func (d *dequantizer) product(b *ir.Builder, n *ir.Node, op string, xAxis, wAxis int64) (*ir.Value, error) {
	x, err := d.operand(b, n.In[0], n.Input(2), xAxis)
	if err != nil {
		return nil, err
	}
	w, err := d.operand(b, n.In[1], n.Input(3), wAxis)
	if err != nil {
		return nil, err
	}
	return b.OpA(op, n.Attrs, x, w), nil
}

// cast is a Cast of levels: to a float it is what the integers are, to wider
// integers nothing.
func (d *dequantizer) cast(b *ir.Builder, n *ir.Node) (y, zero *ir.Value, err error) {
	l, to := d.ints[n.In[0]], n.Out[0].Type.Elem
	x, err := d.read(l)
	if err != nil {
		return nil, nil, err
	}
	if to.IsInt() && to.Bits() > n.In[0].Type.Elem.Bits() && l.zero == nil {
		return b.Op("Identity", x), nil, nil
	}
	if !to.IsFloat() {
		return nil, nil, fmt.Errorf("it makes other integers")
	}
	if l.zero != nil {
		x = b.Add(x, b.OpA("Cast", ir.Attrs{{Name: "to", Value: int64(ir.Float)}}, l.zero))
	}
	return b.OpA("Cast", n.Attrs, x), nil, nil
}

// moved is an operator that moves integers, or chooses among them: it does the
// same to integers less their zero point.
func (d *dequantizer) moved(b *ir.Builder, n *ir.Node) (y, zero *ir.Value, err error) {
	in := make([]*ir.Value, len(n.In))
	elem := n.Out[0].Type.Elem
	found := false
	for _, v := range n.In {
		if l := d.ints[v]; l != nil && !found {
			zero, found = l.zero, true
		}
	}
	if zero != nil && zero.Type.Rank() > 0 && !zero.Type.Shape[0].Is(1) {
		return nil, nil, fmt.Errorf("zero points %s along an axis", zero.Type)
	}
	for i, v := range n.In {
		if v == nil || d.ints[v] == nil && v.Type.Elem != elem {
			in[i] = v
		} else if in[i], err = d.operand(b, v, zero, 0); err != nil {
			return nil, nil, err
		}
	}
	if n.Op.Name == "Pad" && zero != nil && n.Input(2) == nil {
		return nil, nil, fmt.Errorf("it pads with 0, and the zero point is %s", zero)
	}
	made := b.Node(n.Op, n.Attrs, in...)
	for i, v := range n.Out[1:] {
		if v != nil && v.NumUses() > 0 && made.Out[i+1].Type.Elem == ir.Float {
			d.ints[v] = &levels{zero: zero, floats: made.Out[i+1]}
		}
	}
	return made.Out[0], zero, nil
}

// sameZero reports whether two zero points are equal; nil is 0.
func sameZero(a, b *ir.Value) bool {
	if a == b {
		return true
	}
	x, y := rewrite.Constant(a), rewrite.Constant(b)
	switch {
	case x == nil && y == nil:
		return false
	case x == nil:
		return a == nil && isZero(y)
	case y == nil:
		return b == nil && isZero(x)
	}
	return x.Elem == y.Elem && bytes.Equal(x.Raw, y.Raw)
}

func isZero(t *ir.Tensor) bool { return len(bytes.Trim(t.Raw, "\x00")) == 0 }

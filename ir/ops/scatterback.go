package ops

import "github.com/lxtc/lxtc/ir"

// scatterBack is the derivative of an operator that only moves elements of its
// first input, whatever its other inputs say: it moves the elements' numbers in
// the same way, and adds each element of dy to the one it came from.
func scatterBack(b *ir.Builder, n *ir.Node, dy *ir.Value) *ir.Value {
	x := n.In[0]
	shape, size := b.Op("Shape", x), b.Op("Size", x)
	numbers := b.Op("Reshape", b.Op("Range", scalarInt(b, 0), size, scalarInt(b, 1)), shape)
	numbers = withShape(b, numbers, x.Type.Shape)
	in := append([]*ir.Value{numbers}, n.In[1:]...)
	if n.Op.Name == "Pad" && len(in) > 2 {
		in[2] = nil // a value of the element type of x, which modes other than constant ignore
	}
	from := b.Node(n.Op, n.Attrs, in...).Out[0]
	return addAt(b, x, from, dy)
}

// addAt is a tensor like x, zero but for the elements of dy, which are added at
// the places that from, of the shape of dy, numbers in row-major order.
func addAt(b *ir.Builder, x, from, dy *ir.Value) *ir.Value {
	flat := b.Ints(-1)
	zeros := b.Op("Reshape", zerosLike(b, x), flat)
	sum := b.OpA("ScatterElements", ir.Attrs{{Name: "axis", Value: int64(0)}, {Name: "reduction", Value: "add"}},
		zeros, b.Op("Reshape", from, flat), b.Op("Reshape", dy, flat))
	return reshapeLike(b, sum, x)
}

// scalarInt is an int64 constant of rank 0.
func scalarInt(b *ir.Builder, x int64) *ir.Value { return b.Constant(ir.Of([]int64{x})) }

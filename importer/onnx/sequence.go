package onnx

import (
	"slices"

	"github.com/lxtc/lxtc/internal/diag"
	"github.com/lxtc/lxtc/ir"
)

// The IR has no sequences. Those that exporters make of one tensor's pieces,
// for chunk and split, or of tensors at hand, are known piece by piece while a
// file is read: what makes one becomes an Identity of its first piece, in which
// the pieces are looked up by what reads it.

// sequenceOf makes c the sequence of the given pieces.
func (u *upgrader) sequenceOf(pieces []*ir.Value) error {
	if len(pieces) == 0 {
		return diag.Errorf("LX1012", "a sequence of no tensors is not supported")
	}
	key, err := u.node("Identity", "pieces", nil, pieces[0])
	if err != nil {
		return err
	}
	if u.d.sequences == nil {
		u.d.sequences = map[*ir.Value][]*ir.Value{}
	}
	u.d.sequences[key] = pieces
	u.become("Identity", nil, key)
	return nil
}

// become turns the node into another one.
func (u *upgrader) become(op string, attrs ir.Attrs, in ...*ir.Value) {
	u.c.op, u.c.attrs, u.c.in = ir.OpName{Name: op}, attrs, in
}

// pieces returns those of the sequence that is input 0.
func (u *upgrader) pieces() ([]*ir.Value, error) {
	v, err := u.input(0)
	if err != nil {
		return nil, err
	}
	if v.Def != nil && len(v.Def.In) == 1 {
		if ps := u.d.sequences[v.Def.In[0]]; ps != nil {
			return ps, nil
		}
	}
	return nil, diag.Errorf("LX1012", "the pieces of the sequence %s are not known before the model runs", v)
}

func sequenceConstruct(u *upgrader) error { return u.sequenceOf(slices.Clone(u.c.in)) }

// splitToSequence is a Split, whose number of pieces must be known.
func splitToSequence(u *upgrader) error {
	x, err := u.input(0)
	if err != nil {
		return err
	}
	axis := u.c.attrs.Int("axis", 0)
	sizes, err := u.splitSizes(x, axis)
	if err != nil {
		return err
	}
	split := &ir.Node{
		Op: ir.OpName{Name: "Split"}, Attrs: ir.Attrs{{Name: "axis", Value: axis}}, Scopes: u.c.scopes,
		In: []*ir.Value{x, u.constant("sizes", ir.Of(sizes, len(sizes)))},
	}
	for range sizes {
		split.Out = append(split.Out, &ir.Value{Name: u.sc.fresh(u.base() + "_piece")})
	}
	u.sc.graph.Append(split)
	u.d.need(split.Op, 0)
	if err := u.d.infer(split); err != nil {
		return err
	}
	pieces := slices.Clone(split.Out)
	if len(u.c.in) < 2 && u.c.attrs.Int("keepdims", 1) == 0 {
		for i, p := range pieces {
			if pieces[i], err = u.node("Squeeze", "piece", nil, p, u.constant("axis", ir.Of([]int64{axis}, 1))); err != nil {
				return err
			}
		}
	}
	return u.sequenceOf(pieces)
}

// splitSizes returns the sizes of the pieces along an axis: those of input 1, a
// vector; or as many of its scalar as there are, and what is left; or ones.
func (u *upgrader) splitSizes(x *ir.Value, axis int64) ([]int64, error) {
	size := int64(1)
	if len(u.c.in) > 1 && u.c.in[1] != nil {
		t := u.c.in[1].Data
		if t == nil {
			return nil, diag.Errorf("LX1012", "input split (%s) is not constant", u.c.in[1])
		}
		sizes, err := t.Int64s()
		if err != nil || len(t.Shape) == 1 || len(sizes) != 1 {
			return sizes, err
		}
		size = sizes[0]
	}
	rank := int64(x.Type.Rank())
	if axis < 0 {
		axis += rank
	}
	if x.Type.Shape == nil || axis < 0 || axis >= rank {
		return nil, diag.Errorf("LX1012", "%s is %s and has no axis %d", x, x.Type, axis)
	}
	whole, ok := x.Type.Shape[axis].Num()
	if !ok || size <= 0 || whole/size > maxPieces {
		return nil, diag.Errorf("LX1012", "pieces of size %d of %s, which is %s along the axis", size, x, x.Type.Shape[axis])
	}
	var sizes []int64
	for ; whole > 0; whole -= size {
		sizes = append(sizes, min(size, whole))
	}
	return sizes, nil
}

// maxPieces bounds the pieces that a node makes of a tensor.
const maxPieces = 1 << 12

// sequenceAt is the piece itself.
func sequenceAt(u *upgrader) error {
	pieces, err := u.pieces()
	if err != nil {
		return err
	}
	v, err := u.input(1)
	if err != nil {
		return err
	}
	at, ok := v.Data.Item()
	if !ok {
		return diag.Errorf("LX1012", "input position (%s) is not a constant number", v)
	}
	i := int(at)
	if i < 0 {
		i += len(pieces)
	}
	if i < 0 || i >= len(pieces) {
		return diag.Errorf("LX1012", "position %g of a sequence of %d", at, len(pieces))
	}
	u.become("Identity", nil, pieces[i])
	return nil
}

// concatFromSequence is a Concat, of pieces with an axis more if new_axis asks
// for it.
func concatFromSequence(u *upgrader) error {
	pieces, err := u.pieces()
	if err != nil {
		return err
	}
	axis := u.c.attrs.Int("axis", 0)
	if u.c.attrs.Int("new_axis", 0) != 0 {
		pieces = slices.Clone(pieces)
		at := u.constant("axis", ir.Of([]int64{axis}, 1))
		for i, p := range pieces {
			if pieces[i], err = u.node("Unsqueeze", "piece", nil, p, at); err != nil {
				return err
			}
		}
	}
	u.become("Concat", ir.Attrs{{Name: "axis", Value: axis}}, pieces...)
	return nil
}

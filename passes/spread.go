package passes

import "github.com/lxtc/lxtc/ir"

// spread reports whether t is several elements of a row.
func (t Target) spread() bool { return t.Select != nil || t.All || t.Every }

// spread returns what relevance starts from at several elements of a row: their
// values, or 1 in gradient form, and 0 elsewhere.
func (s *seeder) spread(t Target) *ir.Value {
	x := s.y
	if s.c.Form == GradientForm {
		x = s.Op("Expand", s.Scalar(1, s.y), s.Op("Shape", s.y))
	}
	if mask := s.where(t); mask != nil {
		return s.like(s.Op("Where", mask, x, s.Scalar(0, s.y)))
	}
	return s.like(s.Op("Identity", x))
}

// where returns true at the target's elements, to be broadcast to y; nil if they are
// all.
func (s *seeder) where(t Target) *ir.Value {
	switch {
	case t.Select != nil:
		return t.Select.mask(s.Builder, s.y)
	case t.Every:
		return s.and(s.tokens(t), s.classes(t))
	case t.All && s.y.Type.Rank() == 3: // at one position
		at := s.OpA("Reshape", nil, s.position(t, s.rows()), s.Ints(-1, 1, 1))
		return s.Op("Equal", s.OpA("Reshape", nil, s.count(1), s.Ints(-1, 1)), s.fromEnd(at, 1))
	}
	return nil
}

// tokens returns true at positions that are no padding: bool[B, S, 1]; nil if the
// model does not know padding.
func (s *seeder) tokens(t Target) *ir.Value {
	if t.Mask == "" {
		return nil
	}
	mask := ofTokens(s.Builder, s.m.Graph, t.Mask)
	return s.Op("Unsqueeze", s.OpA("Cast", ir.Attrs{{Name: "to", Value: int64(ir.Bool)}}, mask), s.Ints(-1))
}

// classes returns true at the target's class of every position; nil if it is all.
func (s *seeder) classes(t Target) *ir.Value {
	var class *ir.Value // broadcasts to [B, S, 1]
	switch {
	case t.All:
		return nil
	case t.Class != nil:
		class = s.fromEnd(s.Constant(ir.Of(t.Class, len(t.Class), 1, 1)), 2)
	default:
		class = s.ranked(t, s.y, -1)
	}
	return s.Op("Equal", s.count(2), class)
}

// ranked returns the class that is the largest, or the target's rank, along an axis of
// v, which stays as an axis of length 1.
func (s *seeder) ranked(t Target, v *ir.Value, axis int64) *ir.Value {
	rank := int64(max(t.Rank, 1))
	top := s.Node(ir.OpName{Name: "TopK"}, ir.Attrs{{Name: "axis", Value: axis}}, v, s.Ints(rank)).Out[1]
	return s.Op("Slice", top, s.Ints(rank-1), s.Ints(rank), s.Ints(axis))
}

// contrast returns the factors of a target against the other classes: at its elements
// 1, and at each of the N-1 others along the axis of classes -1/(N-1).
func (s *seeder) contrast(t Target) *ir.Value {
	if s.y.Type.Rank() < 1 {
		return s.Fail("%s has no axis of classes", s.y)
	}
	axis := int64(ClassAxis(s.y.Type.Shape))
	n := s.OpA("Cast", ir.Attrs{{Name: "to", Value: int64(s.y.Type.Elem)}}, length(s.Builder, s.y, int(axis)))
	others := s.Sub(n, s.Scalar(1, s.y))
	one := s.Scalar(1, s.y)
	var at *ir.Value // 1 at the elements
	if t.spread() {
		at = s.Op("Expand", one, s.Op("Shape", s.y))
		if mask := s.where(t); mask != nil {
			at = s.like(s.Op("Where", mask, at, s.Scalar(0, s.y)))
		}
	} else {
		idx := s.index(t)
		at = s.scatter(s.zeros(), idx, s.Op("Expand", one, s.numbers(idx)))
	}
	// One element e of a lane gets 1 = (N - 1) / (N - 1), another element -1 / (N - 1).
	return s.like(s.Div(s.Sub(s.Mul(n, at), s.Sum(at, axis)), others))
}

// count numbers the elements of an axis of y.
func (s *seeder) count(axis int) *ir.Value {
	return s.Op("Range", s.Constant(ir.Of([]int64{0})), length(s.Builder, s.y, axis), s.Constant(ir.Of([]int64{1})))
}

// fromEnd adds the length of an axis of y to what is negative.
func (s *seeder) fromEnd(at *ir.Value, axis int) *ir.Value {
	below := s.Op("Less", at, s.Constant(ir.Of([]int64{0})))
	return s.Op("Where", below, s.Add(at, length(s.Builder, s.y, axis)), at)
}

// and returns where both are; nil is everywhere.
func (s *seeder) and(a, b *ir.Value) *ir.Value {
	switch {
	case a == nil:
		return b
	case b == nil:
		return a
	}
	return s.Op("And", a, b)
}

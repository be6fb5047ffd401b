package passes

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/lxtc/lxtc/ir"
)

// Elements are some elements of a tensor: for each axis the indices, negative
// ones counted from the end, nil for all; missing axes are all.
type Elements [][]int64

// maxSpan bounds the indices that a span a:b stands for: more than a layer has
// channels.
const maxSpan = 1 << 20

// ParseElements reads what stands in brackets behind a tensor's name: ":,3",
// ":,0|5,-1" or ":,:,64:128", where a span ends before its second number.
func ParseElements(s string) (Elements, error) {
	var e Elements
	for axis := range strings.SplitSeq(s, ",") {
		var index []int64
		if axis = strings.TrimSpace(axis); axis != ":" {
			for word := range strings.SplitSeq(axis, "|") {
				some, err := parseSpan(strings.TrimSpace(word))
				if err != nil {
					return nil, err
				}
				index = append(index, some...)
			}
		}
		e = append(e, index)
	}
	return e, nil
}

// parseSpan reads "3", "-1" or "2:5".
func parseSpan(word string) ([]int64, error) {
	from, to, span := strings.Cut(word, ":")
	a, err := strconv.ParseInt(from, 10, 64)
	if !span {
		if err != nil {
			return nil, fmt.Errorf("%q is no index", word)
		}
		return []int64{a}, nil
	}
	b, err2 := strconv.ParseInt(to, 10, 64)
	switch {
	case errors.Join(err, err2) != nil || a < 0:
		return nil, fmt.Errorf("%q is no span; write both its ends, such as 0:64", word)
	case a >= b || b-a > maxSpan:
		return nil, fmt.Errorf("span %q holds nothing, or more than %d", word, maxSpan)
	}
	index := make([]int64, b-a)
	for i := range index {
		index[i] = a + int64(i)
	}
	return index, nil
}

// String returns e as ParseElements reads it.
func (e Elements) String() string {
	axes := make([]string, len(e))
	for a, index := range e {
		axes[a] = spans(index)
		if index == nil {
			axes[a] = ":"
		}
	}
	return strings.Join(axes, ",")
}

// spans writes indices, three or more in a row as a span.
func spans(index []int64) string {
	var words []string
	for i := 0; i < len(index); {
		k := i + 1
		for k < len(index) && index[k] == index[k-1]+1 && index[i] >= 0 {
			k++
		}
		if k-i < 3 {
			k = i + 1
			words = append(words, strconv.FormatInt(index[i], 10))
		} else {
			words = append(words, fmt.Sprintf("%d:%d", index[i], index[k-1]+1))
		}
		i = k
	}
	return strings.Join(words, "|")
}

// whole reports whether e is all of a tensor.
func (e Elements) whole() bool {
	return !slices.ContainsFunc(e, func(index []int64) bool { return index != nil })
}

// inside checks e against the dimensions that are known.
func (e Elements) inside(shape []ir.Dim) error {
	for a, index := range e {
		for _, i := range index {
			if a >= len(shape) {
				return fmt.Errorf("axis %d of %d", a, len(shape))
			}
			if err := inRange(shape[a], i); err != nil {
				return fmt.Errorf("axis %d: %w", a, err)
			}
		}
	}
	return nil
}

// mask returns true where e is, to be broadcast to v; nil if e is all of v. An
// index that turns out to be outside when the model runs is nowhere.
func (e Elements) mask(b *ir.Builder, v *ir.Value) *ir.Value {
	var mask *ir.Value
	rank := v.Type.Rank()
	for a, index := range e {
		if index == nil {
			continue
		}
		shape := slices.Repeat([]int64{1}, rank)
		shape[a] = -1
		one := b.OpA("Reshape", nil, chosen(b, v, a, index), b.Ints(shape...))
		if mask != nil {
			one = b.Op("And", mask, one)
		}
		mask = one
	}
	return mask
}

// chosen returns true at some indices of an axis of v: bool[n].
func chosen(b *ir.Builder, v *ir.Value, axis int, index []int64) *ir.Value {
	if n, known := v.Type.Shape[axis].Num(); known {
		in := make([]bool, n)
		for _, i := range index {
			if i += n * btoi(i < 0); i >= 0 && i < n {
				in[i] = true
			}
		}
		return b.Constant(ir.Of(in, len(in)))
	}
	n := length(b, v, axis)
	at := b.Constant(ir.Of(index, 1, len(index)))
	if slices.Min(index) < 0 {
		at = b.Op("Where", b.Op("Less", at, b.Constant(ir.Of([]int64{0}))), b.Add(at, n), at)
	}
	each := b.OpA("Reshape", nil, b.Op("Range", b.Constant(ir.Of([]int64{0})), n, b.Constant(ir.Of([]int64{1}))), b.Ints(-1, 1))
	hits := b.OpA("Cast", ir.Attrs{{Name: "to", Value: int64(ir.Int32)}}, b.Op("Equal", each, at))
	return b.OpA("Cast", ir.Attrs{{Name: "to", Value: int64(ir.Bool)}}, b.OpA("ReduceMax", ir.Attrs{{Name: "keepdims", Value: int64(0)}}, hits, b.Ints(1)))
}

func btoi(b bool) int64 {
	if b {
		return 1
	}
	return 0
}

// length returns the length of an axis of v: int64.
func length(b *ir.Builder, v *ir.Value, axis int) *ir.Value {
	if n, known := v.Type.Shape[axis].Num(); known {
		return b.Constant(ir.Of([]int64{n}))
	}
	n := b.OpA("Shape", ir.Attrs{{Name: "start", Value: int64(axis)}, {Name: "end", Value: int64(axis + 1)}}, v)
	return b.Op("Squeeze", n, b.Ints(0))
}

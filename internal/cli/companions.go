package cli

import (
	"fmt"
	"slices"
	"strings"

	"github.com/lxtc/lxtc/internal/arrays"
	"github.com/lxtc/lxtc/ir"
)

// accompany fills the inputs that nothing was given for and that follow from token
// ids [B, S] that were: a mask of ones, positions counted up where the mask lets
// tokens through, types of 0, a cache of length 0. It says so, as another mask
// would be another model.
func (a *app) accompany(s *subject, f *feed, src source) error {
	rows := func(name string) [][]int64 {
		t := f.tensors[name]
		if t == nil || len(t.Shape) != 2 || t.Shape[0] == 0 {
			return nil
		}
		x, err := t.Int64s()
		if err != nil {
			return nil // embeddings, or what sessions refuse
		}
		return slices.Collect(slices.Chunk(x, max(1, t.Shape[1])))
	}
	ids, decoder, mask := rows("input_ids"), rows("decoder_input_ids"), rows("attention_mask")
	if len(ids) == 0 || mask != nil && len(mask) != len(ids) || decoder != nil && len(decoder) != len(ids) {
		return nil
	}
	for name, t := range f.tensors {
		if strings.Contains(name, "past") && len(t.Raw) > 0 {
			return nil // of tokens before these, only the cache knows how many
		}
	}
	var filled []string
	for _, v := range s.IR().Graph.Inputs {
		if f.tensors[v.Name] != nil || v.Default != nil || v.Name == "decoder_input_ids" ||
			decoder == nil && strings.HasPrefix(v.Name, "decoder_") {
			continue
		}
		t, err := stacked(s.sized(v), len(ids), func(row int) *ir.Tensor {
			if v.Name == "position_ids" && mask != nil {
				return positions(mask[row])
			}
			if decoder == nil {
				return sideInput(s.sized(v), ids[row], nil)
			}
			return sideInput(s.sized(v), ids[row], decoder[row])
		})
		if err != nil {
			return fmt.Errorf("input %q: %w", v.Name, err)
		}
		if t == nil || checkShape(t.Shape, v.Type) != nil {
			continue // reported by complete, all at once
		}
		f.tensors[v.Name] = t
		filled = append(filled, v.Name)
	}
	if len(filled) > 0 {
		a.warn("%s: no array for %s: filled in, without a past and with no padding but what attention_mask says", src.input, few(filled))
	}
	return nil
}

// stacked joins what of returns for each of n rows, of shape [1, …], along the
// first axis; what has no axis for rows is that of the first row. Nil if there is
// none.
func stacked(v *ir.Value, n int, of func(row int) *ir.Tensor) (*ir.Tensor, error) {
	var out *ir.Tensor
	for row := range n {
		t := of(row)
		if t == nil {
			return nil, nil
		}
		t, err := arrays.Convert(t, v.Type.Elem)
		if err != nil {
			return nil, err
		}
		if row == 0 {
			out = &ir.Tensor{Elem: t.Elem, Shape: slices.Clone(t.Shape), Raw: slices.Clone(t.Raw)}
			continue
		}
		if len(t.Shape) < 2 && v.Name != "seqlens_k" {
			return out, nil
		}
		out.Shape[0] += t.Shape[0]
		out.Raw = append(out.Raw, t.Raw...)
	}
	return out, nil
}

// positions counts the tokens that a mask lets through, as transformers does; what
// it hides has position 1.
func positions(mask []int64) *ir.Tensor {
	x, seen := make([]int64, len(mask)), int64(0)
	for i, m := range mask {
		x[i] = 1
		if m != 0 {
			x[i] = seen
			seen++
		}
	}
	return row(x)
}

// sized returns v; if it is a cache whose size of a head is not known, then with
// the size that the model writes into the cache that takes its place.
func (s *subject) sized(v *ir.Value) *ir.Value {
	last := v.Type.Rank() - 1
	if last < 3 || !strings.Contains(v.Name, "past") {
		return v
	}
	if _, known := v.Type.Shape[last].Num(); known {
		return v
	}
	for _, name := range []string{"past_key_values", "past"} {
		present := s.output(strings.Replace(v.Name, name, "present", 1))
		if present == nil || present.Type.Rank() != last+1 {
			continue
		}
		shape := slices.Clone(v.Type.Shape)
		shape[last] = present.Type.Shape[last]
		return &ir.Value{Name: v.Name, Type: ir.Type{Elem: v.Type.Elem, Shape: shape}}
	}
	return v
}

// few lists names, the first of many only.
func few(names []string) string {
	if n := len(names) - 3; n > 1 {
		return fmt.Sprintf("%s and %d more", strings.Join(names[:3], ", "), n)
	}
	return strings.Join(names, ", ")
}

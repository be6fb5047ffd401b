package cli

import (
	"cmp"
	"slices"

	"github.com/lxtc/lxtc/heatmap"
	"github.com/lxtc/lxtc/ir"
)

// tokensOf returns the tokens of an explained tensor: those of the ids that it was
// gathered by, which in a model with an encoder and a decoder differ; nil if they
// are not known, and positions are shown instead.
func (s *subject) tokensOf(f *feed, explained string) []heatmap.Token {
	ids := idsOf(s.IR().Graph.Find(explained))
	if f.tokens != nil && (ids == "" || ids == f.ids) {
		return f.tokens
	}
	return s.tokensIn(f.tensors[cmp.Or(ids, "input_ids")])
}

// idsOf returns the name of the input whose integers v was gathered by; "" if
// there is none.
func idsOf(v *ir.Value) string {
	isInt := func(x *ir.Value) bool { return x != nil && x.Data == nil && x.Type.Elem.IsInt() }
	for v != nil && v.Def != nil {
		i := slices.IndexFunc(v.Def.In, isInt)
		if i < 0 {
			return ""
		}
		v = v.Def.In[i]
	}
	if !isInt(v) {
		return ""
	}
	return v.Name
}

// tokensIn names the tokens of ids, if there is a tokenizer.
func (s *subject) tokensIn(ids *ir.Tensor) []heatmap.Token {
	if ids == nil || !ids.Elem.IsInt() {
		return nil
	}
	tok, err := s.tokenizer()
	if err != nil {
		return nil
	}
	x, err := ids.Int64s()
	if err != nil {
		return nil
	}
	pieces := make([]string, len(x))
	for i, id := range x {
		piece, ok := tok.Token(int(id))
		if !ok {
			return nil
		}
		pieces[i] = piece
	}
	out := make([]heatmap.Token, len(x))
	for i, p := range tok.Spaced(pieces) {
		out[i] = heatmap.Token{Text: p, Special: tok.Special(int(x[i]))}
	}
	return out
}

package cli

import (
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/lxtc/lxtc/heatmap"
	"github.com/lxtc/lxtc/internal/arrays"
	"github.com/lxtc/lxtc/ir"
	"github.com/lxtc/lxtc/tokenizer"
)

// textOf reads the argument of --text.
func (a *app) textOf(arg string) (string, error) {
	var b []byte
	var err error
	switch {
	case arg == "-":
		b, err = io.ReadAll(a.stdin)
	case strings.HasPrefix(arg, "@"):
		b, err = os.ReadFile(arg[1:])
	default:
		return arg, nil
	}
	if err != nil {
		return "", unreadable(err)
	}
	return strings.TrimSuffix(string(b), "\n"), nil
}

// fromText cuts a text into tokens and fills every input that follows from
// them.
func (s *subject) fromText(text string, f *feed) error {
	tok, err := s.tokenizer()
	if err != nil {
		return err
	}
	tokens, err := tok.Encode(text, tokenizer.Options{})
	if err != nil {
		return unreadable(err)
	}
	if len(tokens) == 0 {
		return usagef("the text has no tokens")
	}
	conf, err := s.config()
	if err != nil {
		return err
	}
	f.tokens = shown(tok, tokens)
	ids := make([]int64, len(tokens))
	for i, t := range tokens {
		ids[i] = int64(t.ID)
	}
	taken := false
	for _, v := range s.IR().Graph.Inputs {
		t := sideInput(v, ids, conf)
		if f.tensors[v.Name] != nil { // given as an array
			taken = taken || t == nil && v.Type.Elem.IsInt()
			continue
		}
		if t == nil && v.Type.Elem.IsInt() && !taken {
			t, taken, f.ids = row(ids), true, v.Name
		}
		if t == nil {
			continue // reported by complete, all at once
		}
		if t, err = arrays.Convert(t, v.Type.Elem); err != nil {
			return fmt.Errorf("input %q: %w", v.Name, err)
		}
		if err := checkShape(t.Shape, v.Type); err != nil {
			return unreadable(fmt.Errorf("input %q for %d tokens: %w", v.Name, len(ids), err))
		}
		f.tensors[v.Name] = t
	}
	if !taken {
		return usagef("the model has no input for token ids; its inputs are %s", strings.Join(names(s.IR().Graph.Inputs), ", "))
	}
	return nil
}

// sideInput returns what an input that accompanies token ids must hold, told
// by the name that exporters give it, or nil.
func sideInput(v *ir.Value, ids []int64, conf *config) *ir.Tensor {
	n := len(ids)
	fill := func(f func(i int) int64) *ir.Tensor {
		x := make([]int64, n)
		for i := range x {
			x[i] = f(i)
		}
		if v.Type.Rank() == 1 {
			return ir.Of(x, n)
		}
		return row(x)
	}
	isInt := v.Type.Elem.IsInt() || v.Type.Elem == ir.Bool
	has := func(part string) bool { return strings.Contains(strings.ToLower(v.Name), part) }
	switch {
	case has("past_key") || has("past_value") || has("cache") && v.Type.Elem.IsFloat():
		return emptyCache(v)
	case !isInt:
		return nil
	case has("mask"):
		return fill(func(int) int64 { return 1 })
	case has("token_type") || has("segment"):
		return fill(func(int) int64 { return 0 })
	case has("position"): // position_ids, cache_position
		return fill(func(i int) int64 { return int64(i) })
	case v.Name == "use_cache_branch":
		return ir.Of([]int64{0}, 1)
	case v.Name == "seqlens_k": // of ONNX Runtime's GroupQueryAttention: length less one
		return ir.Of([]int64{int64(n - 1)}, 1)
	case v.Name == "total_sequence_length":
		return ir.Of([]int64{int64(n)})
	case v.Name == "decoder_input_ids" && conf.DecoderStart != nil:
		return row([]int64{*conf.DecoderStart})
	}
	return nil
}

func row(x []int64) *ir.Tensor { return ir.Of(x, 1, len(x)) }

// emptyCache returns keys or values of no past token: an unknown first axis is
// the batch, any other that is unknown the past. Nil if v has no such axis.
func emptyCache(v *ir.Value) *ir.Tensor {
	shape, empty := make([]int, max(v.Type.Rank(), 0)), false
	for i := range shape {
		n, known := v.Type.Shape[i].Num()
		switch {
		case known:
			shape[i] = int(n)
		case i == 0:
			shape[i] = 1
		default:
			empty = true
		}
	}
	if !empty {
		return nil
	}
	t, err := ir.NewTensor(v.Type.Elem, shape, nil)
	if err != nil {
		return nil
	}
	return t
}

// shown returns tokens as a heat map shows them.
func shown(tok *tokenizer.Tokenizer, tokens []tokenizer.Token) []heatmap.Token {
	pieces := make([]string, len(tokens))
	for i, t := range tokens {
		pieces[i] = t.Text
	}
	pieces = tok.CleanAll(pieces)
	out := make([]heatmap.Token, len(tokens))
	for i, t := range tokens {
		out[i] = heatmap.Token{Text: pieces[i], Special: t.Special}
	}
	return out
}

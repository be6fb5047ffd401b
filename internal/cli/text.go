package cli

import (
	"fmt"
	"io"
	"os"
	"slices"
	"strings"

	"github.com/lxtc/lxtc/heatmap"
	"github.com/lxtc/lxtc/internal/arrays"
	"github.com/lxtc/lxtc/internal/diag"
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
// them, and from what the decoder of a model with an encoder has written so far.
func (s *subject) fromText(text, written string, f *feed) error {
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
	f.tokens = shown(tok, text, tokens)
	ids := make([]int64, len(tokens))
	for i, t := range tokens {
		ids[i] = int64(t.ID)
	}
	decoder, err := s.decoderIDs(tok, written, conf)
	if given := f.tensors["decoder_input_ids"]; given != nil {
		decoder, err = given.Int64s()
	}
	if err != nil {
		return err
	}
	taken := false
	for _, v := range s.IR().Graph.Inputs {
		t := sideInput(s.sized(v), ids, decoder)
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

// decoderIDs returns the token that a decoder starts from and those of what it has
// written; nil for a model that has no decoder of its own.
func (s *subject) decoderIDs(tok *tokenizer.Tokenizer, written string, conf *config) ([]int64, error) {
	has := slices.Contains(names(s.IR().Graph.Inputs), "decoder_input_ids")
	switch {
	case written != "" && !has:
		return nil, usagef("--decoder-text is for a model with an encoder and a decoder; the inputs of this one are %s", strings.Join(names(s.IR().Graph.Inputs), ", "))
	case written != "" && conf.DecoderStart == nil:
		return nil, unreadable(diag.Errorf("", "no config.json beside the model says the decoder_start_token_id").In(s.IR().File).
			Help("give decoder_input_ids with --input in.npz"))
	case !has || conf.DecoderStart == nil:
		return nil, nil
	}
	tokens, err := tok.Encode(written, tokenizer.Options{NoSpecial: true})
	if err != nil {
		return nil, unreadable(err)
	}
	ids := []int64{*conf.DecoderStart}
	for _, t := range tokens {
		ids = append(ids, int64(t.ID))
	}
	return ids, nil
}

// sideInput returns what an input that accompanies token ids must hold, told
// by the name that exporters give it, or nil.
func sideInput(v *ir.Value, ids, decoder []int64) *ir.Tensor {
	n := len(ids)
	if strings.HasPrefix(v.Name, "decoder_") {
		n = len(decoder)
	}
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
	case (has("past.") || has("past_conv") || has("past_recurrent")) && v.Type.Elem.IsFloat(): // what a convolution or a recurrence has seen: nothing
		if t := emptyCache(v); t != nil {
			return t
		}
		return zeroState(v)
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
	case v.Name == "decoder_input_ids" && decoder != nil:
		return row(decoder)
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

// zeroState returns the state before the first token, of one row.
func zeroState(v *ir.Value) *ir.Tensor {
	shape := make([]int, max(v.Type.Rank(), 0))
	bytes := v.Type.Elem.Bits() / 8
	for i := range shape {
		shape[i] = 1 // the batch
		if n, known := v.Type.Shape[i].Num(); known {
			shape[i] = int(n)
		}
		bytes *= shape[i]
	}
	t, err := ir.NewTensor(v.Type.Elem, shape, make([]byte, bytes))
	if err != nil {
		return nil
	}
	return t
}

// shown returns the tokens of a text as a heat map shows them. Where the vocabulary
// does not spell the white space between words, it is a space before the next.
func shown(tok *tokenizer.Tokenizer, text string, tokens []tokenizer.Token) []heatmap.Token {
	pieces := make([]string, len(tokens))
	for i, t := range tokens {
		pieces[i] = t.Text
	}
	pieces = tok.CleanAll(pieces)
	out := make([]heatmap.Token, len(tokens))
	end := 0 // of the tokens so far
	for i, t := range tokens {
		out[i] = heatmap.Token{Text: pieces[i], Special: t.Special}
		spelled := strings.TrimSpace(pieces[i]) != pieces[i] || i > 0 && strings.TrimRight(pieces[i-1], " ") != pieces[i-1]
		if t.Start > end && end > 0 && !spelled && strings.TrimSpace(text[end:t.Start]) == "" {
			out[i].Text = " " + pieces[i]
		}
		end = max(end, t.End)
	}
	return out
}

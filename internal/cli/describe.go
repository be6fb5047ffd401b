package cli

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/lxtc/lxtc"
	"github.com/lxtc/lxtc/ir"
	"github.com/lxtc/lxtc/passes"
)

// describe says what was explained, in words: " Paris" (logits[0,4,3681] =
// 17.2).
func (s *subject) describe(opt lxtc.Options, f *feed, out map[string]*ir.Tensor) string {
	var parts []string
	for _, t := range targetsOf(opt) {
		parts = append(parts, s.describeTarget(t, opt.Temperature, f, out))
	}
	if len(parts) > 4 {
		parts = append(parts[:3], fmt.Sprintf("%d more", len(parts)-3))
	}
	return strings.Join(parts, " + ")
}

func (s *subject) describeTarget(t passes.Target, temperature float64, f *feed, out map[string]*ir.Tensor) string {
	if t.Output == "" {
		if v := defaultOutput(s.IR().Graph); v != nil {
			t.Output = v.Name
		}
	}
	if t.Seed {
		return "the given relevance of " + t.Output
	}
	computed := t.Output
	if temperature != 0 {
		computed = "softmax:" + t.Output // as pass target calls it
	}
	y := out[computed]
	if y == nil {
		return t.String()
	}
	vals, err := y.Float64s()
	if err != nil {
		return t.String()
	}
	local, positions := t, s.lastTokens(t, f)
	switch {
	case positions != nil:
		positions = inCut(positions, y.Shape)
	case isCut(y.Shape):
		local = atStart(t)
	}
	at, err := elements(local, vals, y.Shape, positions)
	if err != nil || len(at) != 1 {
		return t.String()
	}
	t.Index = s.index(t, unflat(at[0], y.Shape), f)
	what := t.String()
	if temperature != 0 {
		what = strings.Replace(what, t.Output, softmaxOf(t.Output, temperature), 1)
	}
	value := fmt.Sprintf("%s = %.4g", what, vals[at[0]])
	n := classes(y.Shape)
	if label := s.label(at[0]%max(n, 1), n, len(y.Shape)); label != "" {
		return fmt.Sprintf("%s (%s)", label, value)
	}
	return value
}

// isCut reports whether an output may be one position of a sequence, which is
// all that pass demand leaves of it. Of a sequence of one position it is too.
func isCut(shape []int) bool { return len(shape) == 3 && shape[1] == 1 }

// inCut returns where positions are in what pass demand may have left of a sequence:
// from the first to the last of them.
func inCut(positions []int64, shape []int) []int64 {
	first, last := slices.Min(positions), slices.Max(positions)
	if int64(shape[1]) != last-first+1 {
		return positions
	}
	out := slices.Clone(positions)
	for i := range out {
		out[i] -= first
	}
	return out
}

// atStart moves a target to the first position.
func atStart(t passes.Target) passes.Target {
	if t.Index == nil {
		t.Position = 0
		return t
	}
	t.Index = slices.Clone(t.Index)
	t.Index[1] = 0
	return t
}

// index returns the index of a target's element in the model's output, given
// its index in what was computed of that. Without a known length a position
// that counts from the end stays so.
func (s *subject) index(t passes.Target, computed []int64, f *feed) []int64 {
	index := slices.Clone(computed)
	if len(index) != 3 {
		return index
	}
	pos := t.Position
	switch last := s.lastTokens(t, f); {
	case t.Index != nil:
		pos = t.Index[1]
	case last != nil:
		pos = last[index[0]]
	}
	if v := s.output(t.Output); pos < 0 && v != nil && v.Type.Rank() == 3 {
		if n, known := bind(s.IR().Graph, f.tensors).of(v.Type.Shape[1]); known {
			pos += n
		}
	}
	if pos >= 0 || computed[1] == 0 {
		index[1] = pos
	}
	return index
}

// softmaxOf writes the probability that a temperature makes of an output.
func softmaxOf(output string, temperature float64) string {
	if temperature == 1 {
		return "softmax(" + output + ")"
	}
	return fmt.Sprintf("softmax(%s/%g)", output, temperature)
}

func unflat(k int, shape []int) []int64 {
	index := make([]int64, len(shape))
	for a := len(shape) - 1; a >= 0; a-- {
		index[a] = int64(k % shape[a])
		k /= shape[a]
	}
	return index
}

// label names class k of n: by config.json, or as a token of the vocabulary if
// the output has a position axis.
func (s *subject) label(k, n, rank int) string {
	if conf, err := s.config(); err == nil && len(conf.ID2Label) == n {
		return conf.ID2Label[strconv.Itoa(k)]
	}
	if rank != 3 {
		return ""
	}
	tok, err := s.tokenizer()
	if err != nil {
		return ""
	}
	piece, ok := tok.Token(k)
	if !ok {
		return ""
	}
	return strconv.Quote(tok.Clean(piece))
}

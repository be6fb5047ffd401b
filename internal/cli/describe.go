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
	var sb strings.Builder
	targets := targetsOf(opt)
	for k, t := range targets {
		sign, weight := " + ", t.Weight
		if weight < 0 {
			sign, weight = " - ", -weight
		}
		if k == 3 && len(targets) > 4 {
			fmt.Fprintf(&sb, " + %d more", len(targets)-3)
			break
		}
		if k > 0 || sign == " - " {
			sb.WriteString(sign)
		}
		if weight != 0 && weight != 1 {
			fmt.Fprintf(&sb, "%g × ", weight)
		}
		sb.WriteString(s.describeTarget(t, opt.Temperature, f, out))
	}
	return strings.TrimPrefix(sb.String(), " ")
}

func (s *subject) describeTarget(t passes.Target, temperature float64, f *feed, out map[string]*ir.Tensor) string {
	if rows := s.describeRows(t, temperature, f, out); len(rows) == 1 {
		return rows[0]
	}
	t.Weight = 0
	if t.Seed {
		return "the given relevance of " + t.Output
	}
	return t.String()
}

// describeRows says which element a target is in every batch row, and its value; nil if
// it is not one element of each.
func (s *subject) describeRows(t passes.Target, temperature float64, f *feed, out map[string]*ir.Tensor) []string {
	suffix := ""
	if t.Contrast {
		suffix = " rather than the others"
	}
	t.Weight, t.Contrast = 0, false
	if t.Output == "" {
		if v := defaultOutput(s.IR().Graph); v != nil {
			t.Output = v.Name
		}
	}
	computed := t.Output
	if temperature != 0 {
		computed = "softmax:" + t.Output // as pass target calls it
	}
	y := out[computed]
	if y == nil || !t.One() {
		return nil
	}
	vals, err := y.Float64s()
	if err != nil {
		return nil
	}
	local, positions := t, s.lastTokens(t, f)
	switch {
	case positions != nil:
		positions = inCut(positions, y.Shape)
	case isCut(y.Shape):
		local = atStart(t)
	}
	at, err := elements(local, vals, y.Shape, positions)
	if err != nil {
		return nil
	}
	var rows []string
	for _, k := range at {
		one := t
		one.Index = s.index(t, unflat(k, y.Shape), f)
		rows = append(rows, s.describeValue(one, temperature, y.Shape, k, vals[k])+suffix)
	}
	return rows
}

// describeValue says what element k of an output is, whose index t has.
func (s *subject) describeValue(t passes.Target, temperature float64, shape []int, k int, value float64) string {
	t.Class, t.Rank = nil, 0
	what := t.String()
	if temperature != 0 {
		what = strings.Replace(what, t.Output, softmaxOf(t.Output, temperature), 1)
	}
	what = fmt.Sprintf("%s = %.4g", what, value)
	n := classes(shape)
	class := unflat(k, shape)[max(passes.ClassAxis(ir.Dims(shape)), 0):]
	if len(class) == 0 {
		return what
	}
	if label := s.label(int(class[0]), n, len(shape)); label != "" {
		return fmt.Sprintf("%s (%s)", label, what)
	}
	return what
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

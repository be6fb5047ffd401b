package tokenizer

import (
	"encoding/json"
	"fmt"
)

// truncation is the file's own; it applies only if Options ask for it.
type truncation struct {
	max      int
	left     bool // what goes is at the left
	strategy string
}

func readTruncation(o *object) *truncation {
	if o == nil {
		return nil
	}
	defer o.done()
	t := &truncation{}
	o.must("max_length", &t.max)
	t.left = readLeft(o)
	t.strategy = o.strOr("strategy", "LongestFirst")
	o.skip("stride") // between overflowing pieces, which are dropped here
	if t.max < 0 {
		o.fail("max_length %d is negative", t.max)
	}
	return t
}

// readLeft reads a direction, Right if the file is silent.
func readLeft(o *object) bool {
	d := o.strOr("direction", "Right")
	if d != "Left" && d != "Right" {
		o.fail("direction %q is unknown", d)
	}
	return d == "Left"
}

// apply leaves room for the tokens to be added.
func (t *truncation) apply(in []item, added int) ([]item, error) {
	room := t.max - added
	switch {
	case t.strategy != "LongestFirst" && t.strategy != "OnlyFirst":
		return nil, fmt.Errorf("tokenizer: truncation strategy %q is not for a single text", t.strategy)
	case room < 0:
		return nil, fmt.Errorf("tokenizer: truncation to %d tokens leaves no room for the %d special ones", t.max, added)
	case len(in) <= room:
		return in, nil
	case t.left:
		return in[len(in)-room:], nil
	}
	return in[:room], nil
}

// padding is the file's own; it applies only if Options ask for it.
type padding struct {
	length   int // 0: that of the text
	multiple int // 0: any
	left     bool
	token    item
}

func readPadding(o *object) *padding {
	if o == nil {
		return nil
	}
	defer o.done()
	p := &padding{left: readLeft(o)}
	var strategy json.RawMessage
	o.must("strategy", &strategy)
	var fixed struct{ Fixed *int }
	if string(strategy) != `"BatchLongest"` {
		if json.Unmarshal(strategy, &fixed) != nil || fixed.Fixed == nil {
			o.fail("strategy %s is unknown", strategy)
			return nil
		}
		p.length = *fixed.Fixed
	}
	o.read("pad_to_multiple_of", &p.multiple)
	o.must("pad_id", &p.token.id)
	p.token.surface, p.token.special = o.str("pad_token"), true
	o.skip("pad_type_id")
	if p.length < 0 || p.length > maxPad || p.multiple < 0 || p.multiple > maxPad {
		o.fail("length %d or multiple %d is out of range", p.length, p.multiple)
	}
	return p
}

func (p *padding) apply(in []item) []item {
	n := len(in)
	if p.length > 0 {
		n = p.length
	}
	if p.multiple > 0 && n%p.multiple > 0 {
		n += p.multiple - n%p.multiple
	}
	if n <= len(in) {
		return in
	}
	pad := make([]item, n-len(in))
	for i := range pad {
		pad[i] = p.token
	}
	if p.left {
		return append(pad, in...)
	}
	return append(in, pad...)
}

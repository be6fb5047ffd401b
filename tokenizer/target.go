package tokenizer

import (
	"fmt"
	"strings"
)

// Target finds the one token that text stands for, such as "3" or " Paris", so that its logit can be explained.
// A piece of the vocabulary is taken as such. Otherwise the text is read as typed, a leading space meaning the start
// of a word; if that is no single token, with the leading space added or taken away.
func (t *Tokenizer) Target(text string) (int, error) {
	if text == "" {
		return 0, fmt.Errorf("tokenizer: the target text is empty")
	}
	other := strings.TrimPrefix(text, " ")
	if other == text {
		other = " " + text
	}
	for _, s := range []string{text, other} {
		if id, ok := t.single(s); ok {
			return id, nil
		}
	}
	tokens, err := t.Encode(text, Options{NoSpecial: true})
	if err != nil {
		return 0, err
	}
	pieces := make([]string, len(tokens))
	for i, tok := range tokens {
		pieces[i] = fmt.Sprintf("%q (%d)", tok.Text, tok.ID)
	}
	return 0, fmt.Errorf("tokenizer: target %q is not one token but %d: %s; choose one of them", text, len(tokens), strings.Join(pieces, ", "))
}

// single tries text as a piece, in the vocabulary's spelling, and encoded.
func (t *Tokenizer) single(text string) (int, bool) {
	for _, s := range []string{t.spell(text), text} {
		if id, ok := t.ID(s); ok {
			return id, true
		}
	}
	if len(text) == 1 && t.style.bytes {
		return t.ID(fmt.Sprintf("<0x%02X>", text[0]))
	}
	tokens, err := t.Encode(text, Options{NoSpecial: true})
	if err != nil || len(tokens) != 1 || tokens[0].ID == t.model.unknownID() {
		return 0, false
	}
	return tokens[0].ID, true
}

// spell is the inverse of Clean for a whole word.
func (t *Tokenizer) spell(text string) string {
	s := t.style
	if s.byteLevel {
		var b strings.Builder
		for i := range len(text) {
			b.WriteRune(byteRune(text[i]))
		}
		text = b.String()
	}
	if s.space != "" {
		text = strings.ReplaceAll(text, " ", s.space)
	}
	return text + s.suffix
}

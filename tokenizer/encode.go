package tokenizer

import "fmt"

// Options say what Encode does beyond cutting; the zero value is what models expect of one text.
type Options struct {
	NoSpecial bool // leave out the tokens the post-processor adds, such as [CLS]
	Truncate  bool // shorten to the length in the file, if it has one
	Pad       bool // lengthen to the length in the file, if it has one
}

// Encode returns the tokens of a text. Bytes that are not UTF-8 count as U+FFFD. An error means that the text is too
// long, that the vocabulary has no token for it, or that a regular expression of the file took too long.
func (t *Tokenizer) Encode(text string, opts Options) ([]Token, error) {
	if len(text) > maxText {
		return nil, fmt.Errorf("tokenizer: %w: %d bytes, at most %d", errTooLong, len(text), maxText)
	}
	items, err := t.encode(text)
	if err != nil {
		return nil, fmt.Errorf("tokenizer: %w", err)
	}
	if opts.Truncate && t.truncation != nil {
		added := 0
		if !opts.NoSpecial {
			added = t.post.added()
		}
		if items, err = t.truncation.apply(items, added); err != nil {
			return nil, err
		}
	}
	items = t.post.process(items, text, !opts.NoSpecial)
	if opts.Pad && t.padding != nil {
		items = t.padding.apply(items)
	}
	out := make([]Token, len(items))
	for i, it := range items {
		out[i] = Token{it.id, t.spelled(it), int(it.at.start), int(it.at.end), it.special}
	}
	return out, nil
}

func (t *Tokenizer) spelled(it item) string {
	if s, ok := t.spelling[it.id]; ok {
		return s
	}
	return it.surface // a padding token outside the vocabulary
}

// encode cuts a text: at added tokens, then, normalized, at added tokens again, then into words, then into pieces.
func (t *Tokenizer) encode(text string) ([]item, error) {
	var out []item
	for _, raw := range t.added.raw.split(newText(text)) {
		if raw.token != nil {
			out = append(out, t.addedItem(raw))
			continue
		}
		if err := t.normalize(raw.text); err != nil {
			return nil, fmt.Errorf("normalizing: %w", err)
		}
		for _, f := range t.added.normalized.split(raw.text) {
			if f.token != nil {
				out = append(out, t.addedItem(f))
				continue
			}
			var err error
			if out, err = t.appendPieces(out, f.text); err != nil {
				return nil, err
			}
		}
	}
	return out, nil
}

func (t *Tokenizer) addedItem(f found) item {
	return item{f.token.id, string(f.b), f.span(0, len(f.b)), t.added.special[f.token.id]}
}

func (t *Tokenizer) appendPieces(out []item, piece *text) ([]item, error) {
	words, err := t.split(piece)
	if err != nil {
		return nil, err
	}
	for _, w := range words {
		pieces, err := t.model.tokenize(w.b)
		if err != nil {
			return nil, fmt.Errorf("word %.40q: %w", w.b, err)
		}
		for _, p := range pieces {
			if p.end > p.start {
				out = append(out, item{p.id, t.spelling[p.id], w.span(p.start, p.end), t.added.special[p.id]})
			}
		}
	}
	return out, nil
}

package tokenizer

import "unicode/utf8"

// wordPiece takes the longest piece at every position; a word that cannot be cut so is one unknown token.
// Schuster, Nakajima: Japanese and Korean voice search.
type wordPiece struct {
	ids      map[string]int
	prefix   string // of every piece but a word's first
	unk      unknown
	maxRunes int // a longer word is unknown
	longest  int // bytes of the longest piece: no need to try more
}

func readWordPiece(o *object, t *Tokenizer) (model, map[string]int) {
	m := &wordPiece{ids: readVocab(o), prefix: o.str("continuing_subword_prefix")}
	o.must("max_input_chars_per_word", &m.maxRunes)
	m.unk = readUnknown(o.str("unk_token"), true, m.ids)
	t.style.prefix = m.prefix
	for s := range m.ids {
		m.longest = max(m.longest, len(s))
	}
	return m, m.ids
}

func (m *wordPiece) tokenize(b []byte) ([]piece, error) {
	if utf8.RuneCount(b) > m.maxRunes {
		return m.unknown(b)
	}
	var out []piece
	key := make([]byte, 0, len(m.prefix)+m.longest)
	for start := 0; start < len(b); {
		p, ok := m.longestAt(b, start, key)
		if !ok {
			return m.unknown(b)
		}
		out = append(out, p)
		start = p.end
	}
	return out, nil
}

// longestAt finds the longest piece at start; key is scratch space.
func (m *wordPiece) longestAt(b []byte, start int, key []byte) (piece, bool) {
	prefix := ""
	if start > 0 {
		prefix = m.prefix
	}
	end := min(len(b), start+m.longest)
	for ; end > start; end-- {
		if end < len(b) && !utf8.RuneStart(b[end]) {
			continue
		}
		key = append(append(key[:0], prefix...), b[start:end]...)
		if id, ok := m.ids[string(key)]; ok {
			return piece{id, start, end}, true
		}
	}
	return piece{}, false
}

func (m *wordPiece) unknown(b []byte) ([]piece, error) {
	if m.unk.id < 0 {
		return nil, m.unk.err()
	}
	return []piece{{m.unk.id, 0, len(b)}}, nil
}

// wordLevel knows whole words only.
type wordLevel struct {
	ids map[string]int
	unk unknown
}

func readWordLevel(o *object) (model, map[string]int) {
	m := &wordLevel{ids: readVocab(o)}
	m.unk = readUnknown(o.str("unk_token"), true, m.ids)
	return m, m.ids
}

func (m *wordLevel) tokenize(b []byte) ([]piece, error) {
	id, ok := m.ids[string(b)]
	if !ok {
		id = m.unk.id
	}
	if id < 0 {
		return nil, m.unk.err()
	}
	return []piece{{id, 0, len(b)}}, nil
}

func (m *wordPiece) unknownID() int { return m.unk.id }
func (m *wordLevel) unknownID() int { return m.unk.id }

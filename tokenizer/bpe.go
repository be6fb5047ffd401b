package tokenizer

import (
	"encoding/json"
	"strings"
	"unicode/utf8"
)

// bpe is byte-pair encoding: starting from characters, the pair of neighbours whose merge was learned first is
// joined, until no pair is known. Sennrich, Haddow, Birch: Neural machine translation of rare words with subword units.
type bpe struct {
	ids          map[string]int
	merges       map[pair]merge
	prefix       string // of every piece but a word's first
	suffix       string // of a word's last piece
	unk          unknown
	fuse         bool // neighbouring unknown characters become one token
	bytes        [256]int
	byteFallback bool
	whole        bool // a word that is a piece needs no merges
}

type pair struct{ left, right int }

type merge struct{ rank, id int }

func readBPE(o *object, t *Tokenizer) (model, map[string]int) {
	var dropout float64
	if o.read("dropout", &dropout); dropout != 0 {
		o.fail("dropout %g makes tokenization random; set it to null", dropout)
	}
	m := &bpe{
		ids:          readVocab(o),
		prefix:       o.strOr("continuing_subword_prefix", ""),
		suffix:       o.strOr("end_of_word_suffix", ""),
		fuse:         o.boolOr("fuse_unk", false),
		byteFallback: o.boolOr("byte_fallback", false),
		whole:        o.boolOr("ignore_merges", false),
	}
	var unk string
	set := o.read("unk_token", &unk)
	m.unk = readUnknown(unk, set, m.ids)
	m.bytes = byteIDs(m.ids)
	if m.byteFallback && m.prefix+m.suffix != "" {
		o.fail("byte_fallback with a continuing_subword_prefix or end_of_word_suffix is not supported")
	}
	m.readMerges(o)
	t.style.prefix, t.style.suffix, t.style.bytes = m.prefix, m.suffix, m.byteFallback
	return m, m.ids
}

// readMerges reads merges as ["a","b"] or, in older files, as "a b".
func (m *bpe) readMerges(o *object) {
	var raw json.RawMessage
	o.must("merges", &raw)
	var pairs [][2]string
	if err := json.Unmarshal(raw, &pairs); err != nil {
		var lines []string
		if err := json.Unmarshal(raw, &lines); err != nil {
			o.fail("merges are neither pairs nor strings")
			return
		}
		pairs = pairs[:0]
		for _, l := range lines {
			if strings.HasPrefix(l, "#version") {
				continue
			}
			a, b, ok := strings.Cut(l, " ")
			if !ok || strings.Contains(b, " ") {
				o.fail("merge %q is not two pieces", l)
				return
			}
			pairs = append(pairs, [2]string{a, b})
		}
	}
	if len(pairs) > maxMerges {
		o.fail("more than %d merges", maxMerges)
		return
	}
	m.merges = make(map[pair]merge, len(pairs))
	for rank, p := range pairs {
		left, ok1 := m.ids[p[0]]
		right, ok2 := m.ids[p[1]]
		id, ok3 := m.ids[p[0]+strings.TrimPrefix(p[1], m.prefix)]
		if !ok1 || !ok2 || !ok3 || !strings.HasPrefix(p[1], m.prefix) {
			o.fail("merge %d of %q and %q is not in the vocabulary", rank, p[0], p[1])
			return
		}
		m.merges[pair{left, right}] = merge{rank, id}
	}
}

func (m *bpe) tokenize(b []byte) ([]piece, error) {
	if id, ok := m.ids[string(b)]; ok && m.whole {
		return []piece{{id, 0, len(b)}}, nil
	}
	w, err := m.characters(b)
	if err != nil || len(w.symbols) == 0 {
		return nil, err
	}
	w.mergeAll(m.merges)
	return w.pieces(), nil
}

// characters starts a word with a piece for each character. Unknown characters are held back until the next known
// one, byte pieces do not release them: so the library does.
func (m *bpe) characters(b []byte) (*word, error) {
	w := &word{}
	var held []piece
	for i := 0; i < len(b); {
		_, n := utf8.DecodeRune(b[i:])
		id, ok := m.lookup(b, i, n)
		switch {
		case ok:
			w.add(held...)
			held = held[:0]
			w.add(piece{id, i, i + n})
		case m.byteFallback && m.haveBytes(b[i:i+n]):
			for j := i; j < i+n; j++ {
				w.add(piece{m.bytes[b[j]], j, j + 1})
			}
		case !m.unk.set: // such characters vanish
		case m.unk.id < 0:
			return nil, m.unk.err()
		case m.fuse && len(held) > 0:
			held[0].end = i + n
		default:
			w.add(held...)
			held = append(held[:0], piece{m.unk.id, i, i + n})
		}
		i += n
	}
	w.add(held...)
	return w, nil
}

// lookup finds the piece of the n bytes at i.
func (m *bpe) lookup(b []byte, i, n int) (int, bool) {
	if m.prefix == "" && m.suffix == "" {
		id, ok := m.ids[string(b[i:i+n])]
		return id, ok
	}
	s := string(b[i : i+n])
	if i > 0 {
		s = m.prefix + s
	}
	if i+n == len(b) {
		s += m.suffix
	}
	id, ok := m.ids[s]
	return id, ok
}

func (m *bpe) haveBytes(b []byte) bool {
	for _, c := range b {
		if m.bytes[c] < 0 {
			return false
		}
	}
	return true
}

func (m *bpe) unknownID() int { return m.unk.id }

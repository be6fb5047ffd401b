package tokenizer

import (
	"encoding/json"
	"errors"
	"slices"
	"unicode/utf8"
)

// unigram finds the cut whose pieces have the highest sum of log probabilities.
// Kudo: Subword regularization, section 3.2.
type unigram struct {
	ids          map[string]int
	trie         trie
	scores       []float64
	unk          int // -1: none
	unkScore     float64
	bytes        [256]int
	byteFallback bool
}

// An unknown character costs this much more than the rarest piece, as in SentencePiece.
const unkPenalty = 10

var errNoUnknown = errors.New("a character is not in the vocabulary, and the model has no unk_id")

func readUnigram(o *object) (model, map[string]int) {
	var vocab [][2]json.RawMessage
	o.must("vocab", &vocab)
	if len(vocab) > maxPieces {
		o.fail("more than %d pieces", maxPieces)
		return nil, nil
	}
	m := &unigram{ids: make(map[string]int, len(vocab)), scores: make([]float64, len(vocab)), unk: -1}
	for id, v := range vocab {
		var s string
		if json.Unmarshal(v[0], &s) != nil || json.Unmarshal(v[1], &m.scores[id]) != nil {
			o.fail("vocab[%d] is not a piece and its score", id)
			return nil, nil
		}
		m.ids[s] = id // of equal pieces the last counts
	}
	if len(vocab) > 0 {
		m.unkScore = slices.Min(m.scores) - unkPenalty
	}
	if o.read("unk_id", &m.unk) && (m.unk < 0 || m.unk >= len(vocab)) {
		o.fail("unk_id %d is outside the vocabulary of %d", m.unk, len(vocab))
	}
	m.byteFallback = o.boolOr("byte_fallback", false)
	m.bytes = byteIDs(m.ids)
	m.trie = newTrie(m.ids)
	return m, m.ids
}

// step is the best way to reach a position: the last piece and where it starts.
type step struct {
	id, start int
	score     float64
}

func (m *unigram) tokenize(b []byte) ([]piece, error) {
	best := make([]step, len(b)+1)
	for i := range best {
		best[i].start = -1
	}
	offer := func(end, id, start int, score float64) {
		if best[end].start < 0 || score > best[end].score {
			best[end] = step{id, start, score}
		}
	}
	for start := 0; start < len(b); {
		_, size := utf8.DecodeRune(b[start:])
		here, single := best[start].score, false
		m.trie.prefixes(b[start:], func(n, id int) {
			offer(start+n, id, start, here+m.scores[id])
			single = single || n == size
		})
		if !single {
			if m.unk < 0 {
				return nil, errNoUnknown
			}
			offer(start+size, m.unk, start, here+m.unkScore)
		}
		start += size
	}
	return m.walk(b, best), nil
}

// walk follows the best steps from the end. Neighbouring unknown characters become one token, or its bytes.
func (m *unigram) walk(b []byte, best []step) []piece {
	var out []piece
	for end := len(b); end > 0; end = best[end].start {
		s := best[end]
		if n := len(out); n > 0 && s.id == m.unk && out[n-1].id == m.unk {
			out[n-1].start = s.start
			continue
		}
		out = append(out, piece{s.id, s.start, end})
	}
	slices.Reverse(out)
	if !m.byteFallback {
		return out
	}
	return m.spellUnknown(b, out)
}

// spellUnknown writes unknown pieces as bytes where all of them have an id. Each byte stands for the whole piece.
func (m *unigram) spellUnknown(b []byte, in []piece) []piece {
	var out []piece
	for _, p := range in {
		s := b[p.start:p.end]
		_, known := m.ids[string(s)]
		if p.id != m.unk || known || slices.ContainsFunc(s, func(c byte) bool { return m.bytes[c] < 0 }) {
			out = append(out, p)
			continue
		}
		for _, c := range s {
			out = append(out, piece{m.bytes[c], p.start, p.end})
		}
	}
	return out
}

func (m *unigram) unknownID() int { return m.unk }

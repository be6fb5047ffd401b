package tokenizer

import (
	"fmt"
	"math"
)

// A model cuts one piece of text into vocabulary pieces.
type model interface {
	tokenize(b []byte) ([]piece, error)
	unknownID() int // -1 if there is none
}

// piece is a vocabulary id and the bytes it stands for.
type piece struct{ id, start, end int }

// readModel reads the model and its vocabulary.
func readModel(o *object, t *Tokenizer) (model, map[string]int) {
	defer o.done()
	kind := modelKind(o)
	o.place += " (" + kind + ")"
	switch kind {
	case "BPE":
		return readBPE(o, t)
	case "WordPiece":
		return readWordPiece(o, t)
	case "WordLevel":
		return readWordLevel(o)
	case "Unigram":
		return readUnigram(o)
	}
	o.skipAll()
	o.fail("this model is not supported")
	return nil, nil
}

// modelKind reads the type, which old files such as GPT-2's leave out.
func modelKind(o *object) string {
	has := func(key string) bool { _, ok := o.fields[key]; return ok }
	switch {
	case has("type"):
		return o.str("type")
	case has("merges"):
		return "BPE"
	case has("max_input_chars_per_word"):
		return "WordPiece"
	case has("unk_id"):
		return "Unigram"
	}
	return "WordLevel"
}

// readVocab reads a vocabulary of the form {"piece": id}.
func readVocab(o *object) map[string]int {
	var raw map[string]uint32
	o.must("vocab", &raw)
	if len(raw) > maxPieces {
		o.fail("more than %d pieces", maxPieces)
	}
	ids := make(map[string]int, len(raw))
	for s, id := range raw {
		if id > math.MaxInt32 {
			o.fail("piece %q has id %d, over the limit", s, id)
		}
		ids[s] = int(id)
	}
	return ids
}

// unknown is the piece for what the vocabulary lacks.
type unknown struct {
	id   int // -1 if there is none
	name string
	set  bool // the file names one, in the vocabulary or not
}

func readUnknown(name string, set bool, ids map[string]int) unknown {
	if id, ok := ids[name]; ok && set {
		return unknown{id, name, true}
	}
	return unknown{-1, name, set}
}

func (u unknown) err() error {
	return fmt.Errorf("a character is not in the vocabulary, nor is the unknown token %q", u.name)
}

// byteIDs returns the ids of the pieces <0x00> to <0xFF>, -1 where there is none.
func byteIDs(ids map[string]int) (out [256]int) {
	for i := range out {
		out[i] = -1
		if id, ok := ids[fmt.Sprintf("<0x%02X>", i)]; ok {
			out[i] = id
		}
	}
	return out
}

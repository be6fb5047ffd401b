// Package tokenizer turns text into the token ids a HuggingFace model was trained on, and says which bytes of the
// text each token came from.
//
// It reads tokenizer.json, the file of the HuggingFace tokenizers library, and follows version 0.23 of that library
// to the id and to the offset, quirks included. The models are BPE, WordPiece, Unigram and WordLevel. A part of a
// file that this package does not know is an error of [Load] that names it: a heatmap over wrong ids looks as good as
// one over right ids.
//
// A [Tokenizer] does not change once loaded; any number of goroutines may use it.
package tokenizer

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
)

// A Tokenizer is a loaded tokenizer.json.
type Tokenizer struct {
	normalize normalizer
	split     splitter
	model     model
	post      processor

	spelling map[int]string // id to vocabulary piece
	ids      map[string]int // vocabulary piece to id
	added    addedTokens

	truncation *truncation // nil: the file asks for none
	padding    *padding

	style style
}

// A Token is one piece of an encoded text.
type Token struct {
	ID   int
	Text string // the vocabulary's spelling, such as "Ġthe", "▁the" or "##ing"
	// Start and End are byte offsets in the text. Tokens that share a character, as byte-level pieces of an
	// emoji do, share its span. Tokens that come from no text, such as [CLS], have both zero.
	Start, End int
	Special    bool // added by the post-processor or by padding, or declared special in the file
}

// Load reads a tokenizer.json, or the one in a folder.
func Load(path string) (*Tokenizer, error) {
	if st, err := os.Stat(path); err == nil && st.IsDir() {
		path = filepath.Join(path, "tokenizer.json")
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("tokenizer: %w", err)
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, maxFile+1))
	if err != nil {
		return nil, fmt.Errorf("tokenizer: %s: %w", path, err)
	}
	t, err := Decode(data)
	if err != nil {
		return nil, fmt.Errorf("tokenizer: %s: %w", path, err)
	}
	return t, nil
}

// Decode reads the contents of a tokenizer.json.
func Decode(data []byte) (*Tokenizer, error) {
	if len(data) > maxFile {
		return nil, fmt.Errorf("more than %d MiB", maxFile>>20)
	}
	root, err := readObject(data)
	if err != nil {
		return nil, err
	}
	if v := root.strOr("version", "1.0"); v != "1.0" {
		return nil, fmt.Errorf("version %q is unknown, want \"1.0\"", v)
	}
	t := &Tokenizer{
		truncation: readTruncation(root.optional("truncation")),
		padding:    readPadding(root.optional("padding")),
	}
	t.normalize = readNormalizer(root.optional("normalizer"), t, 0)
	t.split = readSplitter(root.optional("pre_tokenizer"), t, 0)
	t.model, t.ids = readModel(root.child("model"), t)
	t.spelling = invert(t.ids)
	t.added = readAdded(root, t)
	t.post = readProcessor(root.optional("post_processor"), t, 0)
	root.skip("decoder") // ids to text: Clean has its own, for one token at a time
	root.done()
	if err := root.err(); err != nil {
		return nil, err
	}
	return t, nil
}

// Token returns the vocabulary's spelling of an id.
func (t *Tokenizer) Token(id int) (string, bool) {
	s, ok := t.spelling[id]
	return s, ok
}

// Special reports whether an id is that of a token which stands for no text, such as [CLS].
func (t *Tokenizer) Special(id int) bool { return t.added.special[id] }

// ID returns the id of a vocabulary piece, spelled as [Token] spells it.
func (t *Tokenizer) ID(piece string) (int, bool) {
	if id, ok := t.added.ids[piece]; ok {
		return id, true
	}
	id, ok := t.ids[piece]
	return id, ok
}

// invert maps ids to pieces. Of several pieces with one id the alphabetically first wins, so that loading is
// reproducible.
func invert(ids map[string]int) map[int]string {
	out := make(map[int]string, len(ids))
	for s, id := range ids {
		if old, ok := out[id]; !ok || s < old {
			out[id] = s
		}
	}
	return out
}

var errTooLong = errors.New("text is too long")

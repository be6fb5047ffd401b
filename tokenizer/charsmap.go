package tokenizer

import (
	"bytes"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"unicode/utf8"

	"github.com/rivo/uniseg"
)

// charsmap is SentencePiece's precompiled normalization: a Darts double-array trie from byte strings to offsets in a
// blob of zero-terminated replacements.
type charsmap struct {
	units []uint32
	blob  []byte
}

var errCharsmap = errors.New("precompiled_charsmap points outside itself")

func readCharsmap(o *object) normalizer {
	var encoded string
	o.must("precompiled_charsmap", &encoded)
	raw, err := base64.StdEncoding.DecodeString(encoded)
	if err != nil {
		o.fail("precompiled_charsmap is not base64")
	}
	if len(raw) < 8 {
		o.fail("precompiled_charsmap has no trie")
		return nil
	}
	n := binary.LittleEndian.Uint32(raw)
	raw = raw[4:]
	if n%4 != 0 || n == 0 || uint64(n) > uint64(len(raw)) {
		o.fail("precompiled_charsmap has a trie of %d bytes in %d", n, len(raw))
		return nil
	}
	c := &charsmap{units: make([]uint32, n/4), blob: raw[n:]}
	for i := range c.units {
		c.units[i] = binary.LittleEndian.Uint32(raw[4*i:])
	}
	if !utf8.Valid(c.blob) {
		o.fail("precompiled_charsmap has replacements that are not UTF-8")
	}
	return c.apply
}

// apply rewrites whole grapheme clusters of fewer than six bytes if the trie knows a prefix of them, else rune by
// rune. That is the library's reading, not SentencePiece's longest match at every byte.
func (c *charsmap) apply(t *text) error {
	var changes []change
	modified := false
	old := t.b
	for rest, state := old, -1; len(rest) > 0; {
		var cluster []byte
		cluster, rest, _, state = uniseg.FirstGraphemeCluster(rest, state)
		whole := len(cluster) < 6
		for len(cluster) > 0 {
			n := len(cluster)
			if !whole {
				_, n = utf8.DecodeRune(cluster)
			}
			s, ok, err := c.lookup(cluster[:n])
			if err != nil {
				return err
			}
			if whole && !ok {
				whole = false
				continue
			}
			if ok {
				modified = true
				changes = appendReplacement(changes, cluster[:n], s)
			} else {
				r, _ := utf8.DecodeRune(cluster)
				changes = append(changes, change{r, 0})
			}
			cluster = cluster[n:]
		}
		if len(changes) > maxWorking/utf8.UTFMax {
			return errTooLong
		}
	}
	if modified {
		t.rewrite(changes, 0)
	}
	return nil
}

// appendReplacement marks what is inserted or gone at the end of the replacement. What is gone before the first rune
// of the text is lost, which shifts the spans after it; the library does so too.
func appendReplacement(changes []change, old, replacement []byte) []change {
	for i := 0; i < len(replacement); {
		r, n := utf8.DecodeRune(replacement[i:])
		changes = append(changes, change{r, 0})
		i += n
	}
	more := utf8.RuneCount(replacement) - utf8.RuneCount(old)
	for i := 1; i <= more; i++ {
		changes[len(changes)-i].d = 1
	}
	if more < 0 && len(changes) > 0 {
		changes[len(changes)-1].d += more
	}
	return changes
}

// lookup returns the replacement of the shortest prefix of key in the trie.
func (c *charsmap) lookup(key []byte) (s []byte, ok bool, err error) {
	offset := func(u uint32) uint32 { return (u >> 10) << ((u & (1 << 9)) >> 6) }
	at := offset(c.units[0])
	for _, b := range key {
		if b == 0 {
			return nil, false, nil
		}
		at ^= uint32(b)
		if uint64(at) >= uint64(len(c.units)) {
			return nil, false, errCharsmap
		}
		u := c.units[at]
		if u&(1<<31|0xFF) != uint32(b) {
			return nil, false, nil
		}
		at ^= offset(u)
		if u>>8&1 == 0 {
			continue
		}
		if uint64(at) >= uint64(len(c.units)) {
			return nil, false, errCharsmap
		}
		return c.replacement(c.units[at] &^ (1 << 31))
	}
	return nil, false, nil
}

func (c *charsmap) replacement(at uint32) ([]byte, bool, error) {
	if uint64(at) > uint64(len(c.blob)) {
		return nil, false, errCharsmap
	}
	s, _, _ := bytes.Cut(c.blob[at:], []byte{0})
	if !utf8.Valid(s) {
		return nil, false, errCharsmap
	}
	return s, true, nil
}

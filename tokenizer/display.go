package tokenizer

import (
	"fmt"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// style says how a vocabulary spells text. The components of the file fill it in as they are read.
type style struct {
	byteLevel bool   // bytes as printable runes, Ġ for a space
	space     string // for a space: ▁, or empty
	bytes     bool   // <0x0A> for a byte
	prefix    string // before pieces that continue a word: ##
	suffix    string // after pieces that end a word: </w>
}

// Clean returns the text a piece stands for: "Ġthe" is " the", "▁the" is " the", "##ing" is "ing", "the</w>" is
// "the ", "<0x0A>" is a line feed. Added tokens stay as they are. A byte that is no character on its own is written
// as <0xE2>.
func (t *Tokenizer) Clean(token string) string {
	return t.CleanAll([]string{token})[0]
}

// CleanAll is Clean for neighbouring tokens: a character whose bytes are spread over several of them is written at
// the first, and the others have that much less to show, perhaps nothing.
func (t *Tokenizer) CleanAll(tokens []string) []string {
	var all []byte
	var owner []int // of each byte
	for i, token := range tokens {
		all = append(all, t.bytes(token)...)
		for len(owner) < len(all) {
			owner = append(owner, i)
		}
	}
	out := make([]strings.Builder, len(tokens))
	for i := 0; i < len(all); {
		r, n := utf8.DecodeRune(all[i:])
		if r == utf8.RuneError && n == 1 {
			fmt.Fprintf(&out[owner[i]], "<0x%02X>", all[i])
		} else {
			out[owner[i]].WriteRune(r)
		}
		i += n
	}
	clean := make([]string, len(tokens))
	for i := range out {
		clean[i] = out[i].String()
	}
	return clean
}

// Spaced is CleanAll for tokens whose text is not known: where the vocabulary does not spell spaces, as WordPiece's,
// words get one in front, and punctuation does not.
func (t *Tokenizer) Spaced(tokens []string) []string {
	out := t.CleanAll(tokens)
	if t.style.prefix == "" {
		return out
	}
	for i := 1; i < len(out); i++ {
		first, _ := utf8.DecodeRuneInString(out[i])
		_, special := t.added.ids[tokens[i]]
		_, afterSpecial := t.added.ids[tokens[i-1]]
		if !special && !afterSpecial && !strings.HasPrefix(tokens[i], t.style.prefix) && !unicode.IsPunct(first) {
			out[i] = " " + out[i]
		}
	}
	return out
}

// bytes undoes the vocabulary's spelling.
func (t *Tokenizer) bytes(token string) []byte {
	s := t.style
	if c, ok := spelledByte(token); ok && s.bytes {
		return []byte{c}
	}
	if _, ok := t.added.ids[token]; ok {
		return []byte(token)
	}
	if s.prefix != "" && len(token) > len(s.prefix) {
		token = strings.TrimPrefix(token, s.prefix)
	}
	end := ""
	if s.suffix != "" && strings.HasSuffix(token, s.suffix) {
		token, end = strings.TrimSuffix(token, s.suffix), " "
	}
	if s.space != "" {
		token = strings.ReplaceAll(token, s.space, " ")
	}
	if s.byteLevel {
		if b, ok := byteLevelBytes(token); ok {
			return append(b, end...)
		}
	}
	return []byte(token + end)
}

// spelledByte reads <0x0A>.
func spelledByte(token string) (byte, bool) {
	if len(token) != 6 || !strings.HasPrefix(token, "<0x") || token[5] != '>' {
		return 0, false
	}
	n, err := strconv.ParseUint(token[3:5], 16, 8)
	return byte(n), err == nil
}

func byteLevelBytes(token string) ([]byte, bool) {
	out := make([]byte, 0, len(token))
	for _, r := range token {
		c, ok := runeByte(r)
		if !ok {
			return nil, false
		}
		out = append(out, c)
	}
	return out, true
}

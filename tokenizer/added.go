package tokenizer

import (
	"bytes"
	"math"
	"unicode/utf8"
)

// addedTokens are found in the text before anything else happens to it, so that no model cuts them.
type addedTokens struct {
	ids        map[string]int
	special    map[int]bool
	fresh      int     // how many the model's vocabulary lacks
	raw        matcher // looked for in the text as it is
	normalized matcher // looked for after normalization
}

type addedToken struct {
	id             int
	content        string // normalized if it is to be found there
	singleWord     bool   // only where no word character touches it
	lstrip, rstrip bool   // takes the white space around it along
}

// readAdded reads the added tokens and enters them into the vocabulary.
func readAdded(root *object, t *Tokenizer) addedTokens {
	a := addedTokens{ids: map[string]int{}, special: map[int]bool{}}
	if _, ok := root.fields["added_tokens"]; !ok {
		return a
	}
	list := root.list("added_tokens")
	if len(list) > maxAdded {
		root.fail("more than %d added tokens", maxAdded)
		return a
	}
	var raw, normalized []addedToken
	for _, o := range list {
		tok := addedToken{content: o.str("content"), singleWord: o.boolean("single_word"), lstrip: o.boolean("lstrip"), rstrip: o.boolean("rstrip")}
		o.must("id", &tok.id)
		a.enter(o, t, tok, o.boolean("special"))
		toNormalize := o.boolean("normalized")
		o.done()
		switch {
		case root.err() != nil:
			return a
		case toNormalize:
			n := newText(tok.content)
			if err := t.normalize(n); err != nil {
				o.fail("normalizing %q: %v", tok.content, err)
			}
			tok.content = string(n.b)
			normalized = append(normalized, tok)
		default:
			raw = append(raw, tok)
		}
	}
	a.raw, a.normalized = newMatcher(raw), newMatcher(normalized)
	return a
}

// enter adds the token's id. The library numbers tokens that the vocabulary lacks itself, from the vocabulary's size
// on; a file that says otherwise would give other ids there than here.
func (a *addedTokens) enter(o *object, t *Tokenizer, tok addedToken, special bool) {
	want, ok := t.ids[tok.content]
	if old, again := a.ids[tok.content]; again {
		want, ok = old, true
	}
	if !ok {
		want = len(t.ids) + a.fresh
		a.fresh++
	}
	switch {
	case tok.content == "":
		o.fail("content is empty")
	case tok.id < 0 || tok.id > math.MaxInt32:
		o.fail("id %d of %q is out of range", tok.id, tok.content)
	case tok.id != want:
		o.fail("id %d of %q contradicts its place in the vocabulary, %d", tok.id, tok.content, want)
	}
	a.ids[tok.content] = tok.id
	a.special[tok.id] = special
	t.spelling[tok.id] = tok.content
}

// found is a stretch of text, and the added token it is or nil.
type found struct {
	*text
	token *addedToken
}

// matcher finds tokens in a text: the leftmost, and of those the longest.
type matcher struct {
	tokens []addedToken
	trie   trie // from contents to indices of tokens
}

func newMatcher(tokens []addedToken) matcher {
	index := map[string]int{}
	for i, t := range tokens {
		if _, twice := index[t.content]; !twice && t.content != "" { // it may be normalized away
			index[t.content] = i
		}
	}
	return matcher{tokens, newTrie(index)}
}

// at returns the longest token that s begins with.
func (m *matcher) at(s []byte) (longest *addedToken) {
	m.trie.prefixes(s, func(_, i int) { longest = &m.tokens[i] })
	return longest
}

// split cuts a text at the tokens in it.
func (m *matcher) split(t *text) []found {
	var out []found
	last := 0
	s := t.b
	for i := 0; i < len(s); {
		tok := m.at(s[i:])
		if tok == nil {
			i++
			continue
		}
		start, end := i, i+len(tok.content)
		i = end
		if tok.singleWord && touchesWord(s[:start], s[end:]) {
			continue
		}
		if tok.lstrip {
			start = max(last, len(bytes.TrimRightFunc(s[:start], isSpace)))
		}
		if tok.rstrip {
			end = len(s) - len(bytes.TrimLeftFunc(s[end:], isSpace))
		}
		if last < start {
			out = append(out, found{t.cut(last, start), nil})
		}
		out = append(out, found{t.cut(start, end), tok})
		last, i = end, max(i, end)
	}
	if last < len(s) {
		out = append(out, found{t.cut(last, len(s)), nil})
	}
	return out
}

func touchesWord(before, after []byte) bool {
	l, _ := utf8.DecodeLastRune(before)
	r, _ := utf8.DecodeRune(after)
	return len(before) > 0 && isWord(l) || len(after) > 0 && isWord(r)
}

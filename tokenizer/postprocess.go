package tokenizer

import (
	"encoding/json"
	"maps"
	"slices"
	"unicode/utf8"
)

// A processor finishes the tokens of a whole text.
type processor interface {
	// process trims spans and, if special is set, adds the tokens the model expects around a text.
	process(in []item, src string, special bool) []item
	// added counts the tokens it adds.
	added() int
}

// item is a token on its way: surface is what it matched, before the vocabulary's spelling.
type item struct {
	id      int
	surface string
	at      span
	special bool
}

func readProcessor(o *object, t *Tokenizer, depth int) processor {
	if o == nil {
		return processors(nil)
	}
	defer o.done()
	switch kind := o.kind(); kind {
	case "Sequence":
		var list processors
		for _, p := range o.sequence("processors", depth) {
			list = append(list, readProcessor(p, t, depth+1))
		}
		return list
	case "ByteLevel":
		p := trimmer{on: o.boolOr("trim_offsets", true), prefixSpace: o.boolOr("add_prefix_space", true)}
		o.skip("use_regex") // the pre-tokenizer's
		return p
	case "RobertaProcessing":
		trim := trimmer{on: o.boolean("trim_offsets"), prefixSpace: o.boolean("add_prefix_space")}
		return processors{trim, around(o, t)}
	case "BertProcessing":
		return around(o, t)
	case "TemplateProcessing":
		return readTemplate(o, t)
	default:
		o.skipAll()
		o.fail("this post-processor is not supported")
		return nil
	}
}

// processors is a Sequence.
type processors []processor

func (ps processors) process(in []item, src string, special bool) []item {
	for _, p := range ps {
		in = p.process(in, src, special)
	}
	return in
}

func (ps processors) added() int {
	n := 0
	for _, p := range ps {
		n += p.added()
	}
	return n
}

// trimmer takes white space off the ends of spans. With prefixSpace, one leading space of the first token is taken
// for the one the pre-tokenizer added, which has no span of its own.
type trimmer struct{ on, prefixSpace bool }

func (p trimmer) added() int { return 0 }

func (p trimmer) process(in []item, src string, _ bool) []item {
	if !p.on {
		return in
	}
	for i := range in {
		it := &in[i]
		lead, trail := outerSpace(it.surface)
		if p.prefixSpace && lead == 1 && (i == 0 || it.at.start == 0) {
			lead = 0
		}
		for ; lead > 0 && it.at.start < it.at.end; lead-- {
			_, n := utf8.DecodeRuneInString(src[it.at.start:it.at.end])
			it.at.start += int32(n)
		}
		for ; trail > 0 && it.at.start < it.at.end; trail-- {
			_, n := utf8.DecodeLastRuneInString(src[it.at.start:it.at.end])
			it.at.end -= int32(n)
		}
	}
	return in
}

// outerSpace counts the spaces at both ends of a byte-level piece.
func outerSpace(s string) (lead, trail int) {
	space := func(r rune) bool { return r == byteRune(' ') || isSpace(r) }
	runes := []rune(s)
	for lead < len(runes) && space(runes[lead]) {
		lead++
	}
	for trail < len(runes) && space(runes[len(runes)-1-trail]) {
		trail++
	}
	return lead, trail
}

// template puts tokens before and after the text, or several texts' worth of it.
type template []templatePart

// templatePart is the text, if tokens is nil, or special tokens.
type templatePart struct{ tokens []item }

func (p template) added() int {
	n := 0
	for _, part := range p {
		n += len(part.tokens)
	}
	return n
}

func (p template) process(in []item, _ string, special bool) []item {
	out := make([]item, 0, len(in)+len(p))
	for _, part := range p {
		switch {
		case part.tokens == nil:
			out = append(out, in...)
		case special:
			out = append(out, part.tokens...)
		}
	}
	return out
}

// around reads the fields cls and sep, each [piece, id].
func around(o *object, t *Tokenizer) template {
	read := func(key string) templatePart {
		var raw [2]json.RawMessage
		o.must(key, &raw)
		var s string
		var id int
		if json.Unmarshal(raw[0], &s) != nil || json.Unmarshal(raw[1], &id) != nil {
			o.fail("field %q is not a piece and its id", key)
		}
		return templatePart{[]item{specialItem(o, t, id, s)}}
	}
	return template{read("cls"), {}, read("sep")}
}

func specialItem(o *object, t *Tokenizer, id int, s string) item {
	if _, ok := t.spelling[id]; !ok {
		o.fail("id %d of %q is not in the vocabulary", id, s)
	}
	return item{id: id, surface: s, special: true}
}

func readTemplate(o *object, t *Tokenizer) template {
	known := readSpecialTokens(o.child("special_tokens"), t)
	o.skip("pair") // for two texts at once
	var out template
	for _, piece := range o.list("single") {
		text, special := piece.optional("Sequence"), piece.optional("SpecialToken")
		piece.done()
		switch {
		case text != nil:
			if id := text.str("id"); id != "A" {
				text.fail("sequence %q in a template for one text", id)
			}
			text.skip("type_id")
			text.done()
			out = append(out, templatePart{})
		case special != nil:
			id := special.str("id")
			tokens, ok := known[id]
			if !ok {
				special.fail("token %q is not among special_tokens", id)
			}
			special.skip("type_id")
			special.done()
			out = append(out, templatePart{tokens})
		default:
			piece.fail("neither Sequence nor SpecialToken")
		}
	}
	return out
}

// readSpecialTokens reads {name: {"id": name, "ids": […], "tokens": […]}}.
func readSpecialTokens(o *object, t *Tokenizer) map[string][]item {
	out := map[string][]item{}
	for _, name := range slices.Sorted(maps.Keys(o.fields)) {
		s := o.child(name)
		s.str("id")
		var ids []int
		var tokens []string
		s.must("ids", &ids)
		s.must("tokens", &tokens)
		s.done()
		if len(ids) != len(tokens) {
			s.fail("%d ids for %d tokens", len(ids), len(tokens))
			continue
		}
		items := make([]item, 0, len(ids))
		for i, id := range ids {
			items = append(items, specialItem(s, t, id, tokens[i]))
		}
		out[name] = items
	}
	return out
}

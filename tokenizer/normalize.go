package tokenizer

import (
	"bytes"
)

// A normalizer rewrites a piece of text before it is split.
type normalizer func(*text) error

func readNormalizer(o *object, t *Tokenizer, depth int) normalizer {
	if o == nil {
		return func(*text) error { return nil }
	}
	defer o.done()
	switch kind := o.kind(); kind {
	case "Sequence":
		return normalizerSequence(o, t, depth)
	case "NFC":
		return normalForm{compose: true}.apply
	case "NFD":
		return normalForm{}.apply
	case "NFKC":
		return normalForm{compatible: true, compose: true}.apply
	case "NFKD":
		return normalForm{compatible: true}.apply
	case "Lowercase":
		return lowercase
	case "StripAccents":
		return func(t *text) error {
			t.keep(func(r rune) bool { return !isMark(r) })
			return nil
		}
	case "Strip":
		return stripNormalizer(o.boolean("strip_left"), o.boolean("strip_right"))
	case "Prepend":
		s := o.str("prepend")
		return func(t *text) error {
			t.prepend(s)
			return nil
		}
	case "Replace":
		p, s := readPattern(o), o.str("content")
		if p == literal(" ") {
			t.style.space = s
		}
		return func(t *text) error { return t.replace(p, s) }
	case "ByteLevel":
		t.style.byteLevel = true
		return func(t *text) error {
			t.byteLevel()
			return nil
		}
	case "Nmt":
		return nmt
	case "BertNormalizer":
		return bertNormalizer(o)
	case "Precompiled":
		return readCharsmap(o)
	default:
		o.skipAll()
		o.fail("this normalizer is not supported")
		return nil
	}
}

func normalizerSequence(o *object, t *Tokenizer, depth int) normalizer {
	var steps []normalizer
	for _, s := range o.sequence("normalizers", depth) {
		steps = append(steps, readNormalizer(s, t, depth+1))
	}
	return func(t *text) error {
		for _, step := range steps {
			if err := step(t); err != nil {
				return err
			}
			if len(t.b) > maxWorking {
				return errTooLong
			}
		}
		return nil
	}
}

func lowercase(t *text) error {
	out := text{b: make([]byte, 0, len(t.b)), at: make([]span, 0, len(t.b)), start: t.start}
	t.each(func(r rune, at span) {
		a, b := lower(r)
		out.put(a, at)
		if b != 0 {
			out.put(b, at)
		}
	})
	*t = out
	return nil
}

func stripNormalizer(left, right bool) normalizer {
	return func(t *text) error {
		i, j := 0, len(t.b)
		if left {
			i = len(t.b) - len(bytes.TrimLeftFunc(t.b, isSpace))
		}
		if right {
			j = max(i, len(bytes.TrimRightFunc(t.b, isSpace)))
		}
		t.b, t.at = t.b[i:j:j], t.at[i:j:j]
		return nil
	}
}

// nmt is SentencePiece's cleaning: control characters go, odd white space becomes a space.
func nmt(t *text) error {
	t.keep(func(r rune) bool {
		switch {
		case r >= 0x01 && r <= 0x08, r == 0x0B, r >= 0x0E && r <= 0x1F, r == 0x7F, r == 0x8F, r == 0x9F:
			return false
		}
		return true
	})
	t.mapRunes(func(r rune) rune {
		switch {
		case r == 0x09, r == 0x0A, r == 0x0C, r == 0x0D, r == 0x1680, r >= 0x200B && r <= 0x200F,
			r == 0x2028, r == 0x2029, r == 0x2581, r == 0xFEFF, r == 0xFFFD:
			return ' '
		}
		return r
	})
	return nil
}

func bertNormalizer(o *object) normalizer {
	clean, chinese, lower := o.boolean("clean_text"), o.boolean("handle_chinese_chars"), o.boolean("lowercase")
	accents := o.boolOr("strip_accents", lower) // null means: as lowercase
	return func(t *text) error {
		if clean {
			t.keep(func(r rune) bool { return r != 0 && r != 0xFFFD && !isControl(r) })
			t.mapRunes(func(r rune) rune {
				if isSpace(r) {
					return ' '
				}
				return r
			})
		}
		if chinese {
			setChineseApart(t)
		}
		if accents {
			if err := (normalForm{}).apply(t); err != nil {
				return err
			}
			t.keep(func(r rune) bool { return !isNonspacing(r) })
		}
		if lower {
			return lowercase(t)
		}
		return nil
	}
}

// setChineseApart puts spaces around Chinese characters, all three with the character's span.
func setChineseApart(t *text) {
	out := text{b: make([]byte, 0, len(t.b)), at: make([]span, 0, len(t.b)), start: t.start}
	t.each(func(r rune, at span) {
		if !isChinese(r) {
			out.put(r, at)
			return
		}
		out.put(' ', at)
		out.put(r, at)
		out.put(' ', at)
	})
	*t = out
}

package tokenizer

import "unicode"

// The library's tables are of several Unicode versions: 9 for normalization, 7 for categories, the newest for white
// space and case. Go's are of version 15. The lists below are the differences, found by comparing all code points;
// the test over all code points fails when Go's tables move.

// isControl tells what BertNormalizer deletes: Cc, Cf and Co but for tab and line ends.
func isControl(r rune) bool {
	if r == '\t' || r == '\n' || r == '\r' || unicode.Is(newFormat, r) {
		return false
	}
	return unicode.In(r, unicode.Cc, unicode.Cf, unicode.Co)
}

// isPunct tells what BertPreTokenizer and Punctuation isolate.
func isPunct(r rune) bool {
	if r < 0x80 {
		return unicode.IsPunct(r) || unicode.IsSymbol(r)
	}
	return unicode.IsPunct(r) && !unicode.Is(newPunct, r) || r == 0x166D || r == 0x111C9
}

// isNonspacing tells what BertNormalizer takes for an accent: Mn.
func isNonspacing(r rune) bool {
	return unicode.Is(unicode.Mn, r) && !unicode.Is(newNonspacing, r) || r == 0x1734
}

// isMark tells what StripAccents deletes: M.
func isMark(r rune) bool {
	return unicode.Is(unicode.M, r) && !unicode.Is(newMark, r) || r == 0x1CF2 || r == 0x1CF3
}

// isChinese tells which runes BertNormalizer sets apart.
func isChinese(r rune) bool {
	return r >= 0x4E00 && r <= 0x9FFF || r >= 0x3400 && r <= 0x4DBF || r >= 0x20000 && r <= 0x2A6DF ||
		r >= 0x2A700 && r <= 0x2B73F || r >= 0x2B740 && r <= 0x2B81F || r >= 0x2B920 && r <= 0x2CEAF ||
		r >= 0xF900 && r <= 0xFAFF || r >= 0x2F800 && r <= 0x2FA1F
}

// isWord is \w of UTS #18: alphabetic, marks, decimal digits, connectors and joiners.
func isWord(r rune) bool {
	return unicode.In(r, unicode.L, unicode.Nl, unicode.Other_Alphabetic, unicode.M, unicode.Nd, unicode.Pc, unicode.Join_Control)
}

// lower returns the lower case of r and the rune that follows it, 0 if none.
func lower(r rune) (rune, rune) {
	if r == 'İ' { // the only one whose lower case has two runes
		return 'i', 0x307
	}
	return unicode.ToLower(r), 0
}

// The printable rune of a byte in byte-level vocabularies: itself if it is printable in Latin-1, else one from
// U+0100 on, in order.
func byteRune(c byte) rune {
	switch {
	case c >= '!' && c <= '~', c >= 0xA1 && c <= 0xAC, c >= 0xAE:
		return rune(c)
	case c <= ' ':
		return 0x100 + rune(c)
	case c <= 0xA0:
		return 0x121 + rune(c-0x7F)
	}
	return 0x143 // soft hyphen, 0xAD
}

// runeByte is the inverse of byteRune.
func runeByte(r rune) (byte, bool) {
	switch {
	case r >= 0x100 && r <= 0x120:
		return byte(r - 0x100), true
	case r >= 0x121 && r <= 0x142:
		return byte(r - 0x121 + 0x7F), true
	case r == 0x143:
		return 0xAD, true
	case r < 0x100 && byteRune(byte(r)) == r:
		return byte(r), true
	}
	return 0, false
}

// isSpace is White_Space.
func isSpace(r rune) bool { return unicode.IsSpace(r) }

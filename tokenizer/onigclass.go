package tokenizer

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"unicode"
)

// wordClass is Oniguruma's \w, wider than .NET's, as the inside of a class: letters, letter numbers, marks, decimal
// digits, connectors and the symbols of Other_Alphabetic.
const wordClass = `\p{L}\p{Nl}\p{M}\p{Nd}\p{Pc}\u24B6-\u24E9` +
	"\U0001F130-\U0001F149\U0001F150-\U0001F169\U0001F170-\U0001F189"

// Outside a class, Oniguruma looks up Latin-1 in a table that has ¹²³¼½¾ among the word characters.
const latinNumbers = `\u00B2\u00B3\u00B9\u00BC-\u00BE`

// escape handles a backslash outside a class.
func (t *translator) escape() error {
	if t.has(`\w`) {
		t.out.WriteString("[" + wordClass + latinNumbers + "]")
		t.i += 2
		return nil
	}
	if t.has(`\W`) {
		t.out.WriteString("[^" + wordClass + latinNumbers + "]")
		t.i += 2
		return nil
	}
	if t.has(`\A`) || t.has(`\z`) {
		t.out.WriteString(string(t.in[t.i : t.i+2]))
		t.i += 2
		t.atom = -1
		return nil
	}
	set, r, err := t.escaped()
	if err != nil {
		return err
	}
	if set == "" && t.fold && unicode.IsLetter(r) {
		set = "[" + folded(r) + "]"
	}
	if set == "" {
		set = quote(r)
	}
	t.out.WriteString(set)
	return nil
}

var (
	property = regexp.MustCompile(`^\\[pP]\{(\w+)\}`)
	codes    = regexp.MustCompile(`^\\(?:u([0-9A-Fa-f]{4})|x([0-9A-Fa-f]{2})|x\{([0-9A-Fa-f]{1,6})\})`)
	category = regexp.MustCompile(`^(?:C[cfo]|L[ulmto]?|M[nce]?|N[dlo]?|P[cdsefio]?|S[mcko]?|Z[slp]?)$`)
)

// escaped reads an escape that means the same inside a class and out: a set of runes, or one rune.
func (t *translator) escaped() (set string, r rune, err error) {
	rest := string(t.in[t.i:min(len(t.in), t.i+48)])
	if m := property.FindStringSubmatch(rest); m != nil {
		if !category.MatchString(m[1]) && unicode.Scripts[m[1]] == nil {
			return "", 0, fmt.Errorf("property %q is not supported", m[1])
		}
		if t.fold && (m[1] == "Lu" || m[1] == "Ll" || m[1] == "Lt") {
			return "", 0, fmt.Errorf("property %q without case is not supported", m[1])
		}
		t.i += len(m[0])
		return m[0], 0, nil
	}
	if m := codes.FindStringSubmatch(rest); m != nil {
		n, err := strconv.ParseUint(m[1]+m[2]+m[3], 16, 32)
		if err != nil || n > unicode.MaxRune || m[2] != "" && n > 0x7F || n >= 0xD800 && n < 0xE000 {
			return "", 0, fmt.Errorf("%s is not a character", m[0])
		}
		t.i += len(m[0])
		return "", rune(n), nil
	}
	if len(rest) < 2 {
		return "", 0, fmt.Errorf("a backslash at the end")
	}
	c := t.in[t.i+1]
	t.i += 2
	if strings.ContainsRune("sSdD", c) {
		return `\` + string(c), 0, nil
	}
	if k := strings.IndexRune("rntfvae", c); k >= 0 {
		return "", rune("\r\n\t\f\v\a\x1b"[k]), nil
	}
	if unicode.IsLetter(c) || unicode.IsDigit(c) || c > 0x7F {
		return "", 0, fmt.Errorf(`escape \%c is not supported`, c)
	}
	return "", c, nil
}

// class handles [...], without nested classes.
func (t *translator) class() error {
	t.atom = t.out.Len()
	t.i++
	open := "["
	if t.has("^") {
		open = "[^"
		t.i++
	}
	var items strings.Builder
	for {
		switch {
		case t.i >= len(t.in):
			return fmt.Errorf("unclosed class")
		case t.has("]") && items.Len() == 0:
			return fmt.Errorf("empty class")
		case t.has("]"):
			t.emit(open + items.String() + "]")
			return nil
		case t.has("["), t.has("&&"):
			return fmt.Errorf("class operations are not supported")
		case t.has(`\w`):
			items.WriteString(wordClass)
			t.i += 2
		default:
			if err := t.item(&items); err != nil {
				return err
			}
		}
	}
}

// item reads a rune, a range or an escape of a class.
func (t *translator) item(items *strings.Builder) error {
	set, low, err := t.member()
	if err != nil {
		return err
	}
	if set != "" {
		items.WriteString(set)
		return nil
	}
	high := low
	if t.has("-") && t.i+1 < len(t.in) && t.in[t.i+1] != ']' {
		t.i++
		if set, high, err = t.member(); err != nil {
			return err
		}
		if set != "" || high < low {
			return fmt.Errorf("a range without an end")
		}
	}
	switch {
	case t.fold && high-low < 256:
		for r := low; r <= high; r++ {
			items.WriteString(folded(r))
		}
	case t.fold:
		return fmt.Errorf("a range of %d characters without case is not supported", high-low+1)
	case low == high:
		items.WriteString(quote(low))
	default:
		items.WriteString(quote(low) + "-" + quote(high))
	}
	return nil
}

func (t *translator) member() (set string, r rune, err error) {
	if t.i >= len(t.in) {
		return "", 0, fmt.Errorf("unclosed class")
	}
	if t.has(`\`) {
		return t.escaped()
	}
	t.i++
	return "", t.in[t.i-1], nil
}

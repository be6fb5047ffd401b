package npy

import (
	"encoding/binary"
	"fmt"
	"strconv"
	"strings"
	"unicode/utf8"
)

const (
	magic = "\x93NUMPY"

	// align is where NumPy makes the data start: at a multiple of 64 bytes.
	align = 64

	// growth is the width NumPy leaves for the first axis, so that a file can
	// be appended to in place (GROWTH_AXIS_MAX_DIGITS).
	growth = 21

	// maxHeader is far above any header a supported dtype and rank can need;
	// NumPy's own limit is 10000 bytes.
	maxHeader = 1 << 16
)

// header is the dictionary at the start of a .npy file.
type header struct {
	descr   string // dtype without byte order, such as f4
	big     bool   // elements are big endian
	fortran bool   // the first axis moves fastest
	shape   []int
}

// appendHeader appends the magic string and the dictionary as NumPy writes it.
func appendHeader(b []byte, dtype string, shape []int) ([]byte, error) {
	order := "<"
	if dtype == "b1" || dtype == "i1" || dtype == "u1" {
		order = "|" // one byte has no order
	}
	dims := make([]string, len(shape))
	for i, d := range shape {
		dims[i] = strconv.Itoa(d)
	}
	tuple := "(" + strings.Join(dims, ", ") + ")"
	if len(dims) == 1 {
		tuple = "(" + dims[0] + ",)"
	}
	dict := fmt.Sprintf("{'descr': '%s%s', 'fortran_order': False, 'shape': %s, }", order, dtype, tuple)
	if len(dims) > 0 {
		dict += strings.Repeat(" ", max(0, growth-len(dims[0])))
	}
	const prefix = len(magic) + 2 + 2         // magic, version, length
	pad := align - (prefix+len(dict)+1)%align // a whole 64 when there is nothing to pad, as NumPy does
	dict += strings.Repeat(" ", pad) + "\n"
	if len(dict) > 0xffff {
		return nil, fmt.Errorf("npy: a header of %d bytes is too long", len(dict))
	}
	b = append(b, magic...)
	b = append(b, 1, 0)
	b = binary.LittleEndian.AppendUint16(b, uint16(len(dict)))
	return append(b, dict...), nil
}

// parseHeader reads the header of a .npy file and returns it with the rest of
// the bytes.
func parseHeader(b []byte) (header, []byte, error) {
	var h header
	if len(b) < len(magic)+2 || string(b[:len(magic)]) != magic {
		return h, nil, fmt.Errorf("npy: not a .npy file: it does not start with \\x93NUMPY")
	}
	major := b[len(magic)]
	b = b[len(magic)+2:]
	var n uint64
	switch {
	case major == 1 && len(b) >= 2:
		n, b = uint64(binary.LittleEndian.Uint16(b)), b[2:]
	case (major == 2 || major == 3) && len(b) >= 4:
		n, b = uint64(binary.LittleEndian.Uint32(b)), b[4:]
	case major >= 1 && major <= 3:
		return h, nil, fmt.Errorf("npy: the file ends within its header")
	default:
		return h, nil, fmt.Errorf("npy: unknown format version %d; versions 1 to 3 are known", major)
	}
	if n > maxHeader {
		return h, nil, fmt.Errorf("npy: a header of %d bytes is over the limit of %d", n, maxHeader)
	}
	if n > uint64(len(b)) {
		return h, nil, fmt.Errorf("npy: the file ends within its header")
	}
	h, err := parseDict(string(b[:n]))
	if err != nil {
		return h, nil, fmt.Errorf("npy: header: %w", err)
	}
	return h, b[n:], nil
}

// parseDict reads the Python dictionary literal of a header, with its three
// keys in any order.
func parseDict(s string) (h header, err error) {
	p := &literal{rest: s}
	seen := map[string]bool{}
	p.want("{")
	for p.err == nil && !p.accept("}") {
		key := p.str()
		p.want(":")
		if seen[key] {
			p.fail("key %q twice", key)
		}
		seen[key] = true
		switch key {
		case "descr":
			h.setDescr(p)
		case "fortran_order":
			h.fortran = p.boolean()
		case "shape":
			h.shape = p.tuple()
		default:
			p.fail("unknown key %q", key)
		}
		if !p.accept(",") {
			p.want("}")
			break
		}
	}
	if p.err != nil {
		return h, p.err
	}
	if rest := strings.TrimSpace(p.rest); rest != "" {
		return h, fmt.Errorf("%q after the dictionary", clip(rest))
	}
	for _, key := range []string{"descr", "fortran_order", "shape"} {
		if !seen[key] {
			return h, fmt.Errorf("key %q is missing", key)
		}
	}
	return h, nil
}

// setDescr splits a type string such as "<f4" into byte order and dtype.
func (h *header) setDescr(p *literal) {
	if p.peek("[") {
		p.fail("structured dtypes are not supported")
		return
	}
	s := p.str()
	if p.err != nil {
		return
	}
	if s == "" {
		p.fail("empty dtype")
		return
	}
	h.descr = s
	if strings.ContainsRune("<>=|", rune(s[0])) {
		h.big, h.descr = s[0] == '>', s[1:]
	}
	if _, err := itemSize(h.descr); err != nil {
		p.err = err
	}
}

// literal reads the few Python literals a header is made of. It keeps the
// first error; after that every method returns a zero value.
type literal struct {
	rest string
	err  error
}

func (p *literal) fail(format string, args ...any) {
	if p.err == nil {
		p.err = fmt.Errorf(format, args...)
	}
}

func (p *literal) peek(tok string) bool {
	p.rest = strings.TrimLeft(p.rest, " \t\r\n")
	return p.err == nil && strings.HasPrefix(p.rest, tok)
}

func (p *literal) accept(tok string) bool {
	if !p.peek(tok) {
		return false
	}
	p.rest = p.rest[len(tok):]
	return true
}

func (p *literal) want(tok string) {
	if !p.accept(tok) {
		p.fail("want %q at %q", tok, clip(p.rest))
	}
}

// str reads a quoted string. Headers need no escapes, so a backslash is an
// error rather than a guess.
func (p *literal) str() string {
	quote := "'"
	if p.peek(`"`) {
		quote = `"`
	}
	p.want(quote)
	s, rest, ok := strings.Cut(p.rest, quote)
	if !ok || strings.Contains(s, `\`) {
		p.fail("want a string without escapes at %q", clip(p.rest))
	}
	if p.err != nil {
		return ""
	}
	p.rest = rest
	return s
}

func (p *literal) boolean() bool {
	if p.accept("True") {
		return true
	}
	p.want("False")
	return false
}

// tuple reads a tuple of non-negative integers. Python 2 wrote long integers
// with an L.
func (p *literal) tuple() []int {
	shape := []int{}
	p.want("(")
	for p.err == nil && !p.accept(")") {
		i := 0
		for i < len(p.rest) && p.rest[i] >= '0' && p.rest[i] <= '9' {
			i++
		}
		d, err := strconv.Atoi(p.rest[:i])
		if err != nil {
			p.fail("want a dimension at %q", clip(p.rest))
			break
		}
		if len(shape) == maxRank {
			p.fail("rank is over the limit of %d", maxRank)
			break
		}
		shape = append(shape, d)
		p.rest = strings.TrimPrefix(p.rest[i:], "L")
		if !p.accept(",") {
			p.want(")")
			break
		}
		p.peek("") // skip the space after the comma
	}
	return shape
}

// clip shortens text from the file for an error message.
func clip(s string) string {
	const most = 24
	if len(s) <= most {
		return s
	}
	i := most
	for i > 0 && !utf8.RuneStart(s[i]) {
		i--
	}
	return s[:i] + "…"
}

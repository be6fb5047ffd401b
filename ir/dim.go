package ir

import (
	"math"
	"slices"
	"strconv"
	"strings"
)

// Dim is a dimension: a number, a multiple of a product of symbols, or
// unknown. The value is N times the symbols in Sym, which are joined by "*" in
// sorted order; Sym "" leaves the number N. The unknown dimension is N(-1).
//
// Products are kept so that a Reshape by [B*S, H] and back is understood.
type Dim struct {
	Sym string
	N   int64
}

// N returns a known dimension, or the unknown one if n is negative.
func N(n int64) Dim { return Dim{N: max(n, -1)} }

// Sym returns a symbolic dimension; "" is the unknown one.
func Sym(name string) Dim {
	if name == "" {
		return Unknown
	}
	return Dim{Sym: name, N: 1}
}

// Unknown is the dimension of which nothing is known.
var Unknown = Dim{N: -1}

// Num returns the number, and whether d is one.
func (d Dim) Num() (int64, bool) { return d.N, d.Sym == "" && d.N >= 0 }

// IsUnknown reports whether nothing is known of d.
func (d Dim) IsUnknown() bool { return d.Sym == "" && d.N < 0 }

// Is reports whether d is known to be n.
func (d Dim) Is(n int64) bool { return d.Sym == "" && d.N == n && n >= 0 }

// Same reports whether d and e are known to be equal.
func (d Dim) Same(e Dim) bool { return d == e && !d.IsUnknown() }

// Differ reports whether d and e are known to be unequal, taking different
// symbols to be possibly equal.
func (d Dim) Differ(e Dim) bool {
	m, ok := d.Num()
	n, ok2 := e.Num()
	return ok && ok2 && m != n
}

// maxSym bounds the symbols of a product: a chain of nodes can square a
// dimension at every step, and its text would double each time.
const maxSym = 1 << 10

// Mul returns the product, unknown if it overflows or has too many symbols.
func (d Dim) Mul(e Dim) Dim {
	if d.Is(0) || e.Is(0) {
		return N(0)
	}
	if d.IsUnknown() || e.IsUnknown() || d.N > math.MaxInt64/max(e.N, 1) {
		return Unknown
	}
	if d.Sym != "" && e.Sym != "" && len(d.Sym)+len(e.Sym) > maxSym {
		return Unknown
	}
	f := append(factors(d.Sym), factors(e.Sym)...)
	slices.Sort(f)
	return Dim{strings.Join(f, "*"), d.N * e.N}
}

// Div returns the quotient if e divides d whatever the symbols are, else the
// unknown dimension.
func (d Dim) Div(e Dim) Dim {
	if d.IsUnknown() || e.IsUnknown() || e.N <= 0 || d.N%e.N != 0 {
		return Unknown
	}
	f := factors(d.Sym)
	for _, s := range factors(e.Sym) {
		i := slices.Index(f, s)
		if i < 0 {
			return Unknown
		}
		f = slices.Delete(f, i, i+1)
	}
	return Dim{strings.Join(f, "*"), d.N / e.N}
}

// Add returns the sum of two numbers or of two multiples of the same symbols,
// else the unknown dimension.
func (d Dim) Add(e Dim) Dim {
	switch {
	case d.IsUnknown() || e.IsUnknown():
		return Unknown
	case e.Is(0):
		return d
	case d.Is(0):
		return e
	case d.Sym == e.Sym && d.N <= math.MaxInt64-e.N:
		return Dim{d.Sym, d.N + e.N}
	}
	return Unknown
}

// Sub returns the difference of two numbers or of two multiples of the same
// symbols if it is not negative, else the unknown dimension.
func (d Dim) Sub(e Dim) Dim {
	switch {
	case d.IsUnknown() || e.IsUnknown():
		return Unknown
	case e.Is(0):
		return d
	case d == e:
		return N(0)
	case d.Sym == e.Sym && d.N >= e.N:
		return Dim{d.Sym, d.N - e.N}
	}
	return Unknown
}

// String returns the ONNX text form: a number, a symbol or "?".
func (d Dim) String() string {
	switch {
	case d.IsUnknown():
		return "?"
	case d.Sym == "":
		return strconv.FormatInt(d.N, 10)
	case d.N == 1 && isIdent(d.Sym):
		return d.Sym
	case d.N == 1:
		return quoteString(d.Sym)
	}
	return quoteString(strconv.FormatInt(d.N, 10) + "*" + d.Sym)
}

// ParseDim reads the symbolic part of what String writes, without quotes:
// "S", "2*S", "B*S".
func ParseDim(s string) Dim {
	if n, rest, ok := strings.Cut(s, "*"); ok {
		if k, err := strconv.ParseInt(n, 10, 64); err == nil && k > 0 {
			return Dim{rest, k}
		}
	}
	return Sym(s)
}

// Numel returns the product of the dimensions.
func Numel(shape []Dim) Dim {
	n := N(1)
	for _, d := range shape {
		n = n.Mul(d)
	}
	return n
}

func factors(sym string) []string {
	if sym == "" {
		return nil
	}
	return strings.Split(sym, "*")
}

// isIdent reports whether s can stand in ONNX text without quotes.
func isIdent(s string) bool {
	for i, c := range []byte(s) {
		switch {
		case c == '_', 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', i > 0 && '0' <= c && c <= '9':
		default:
			return false
		}
	}
	return s != ""
}

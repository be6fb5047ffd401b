package ir

import (
	"slices"
	"strconv"
)

// Attrs are a node's attributes, in the order written.
type Attrs []Attr

// Attr is one attribute. Value is an int64, float32, string, []int64,
// []float32, []string, *Tensor, []*Tensor, *Graph, []*Graph, Type or Ref.
type Attr struct {
	Name  string
	Value any
}

// A Ref stands for an attribute of the function around a node, as ONNX text
// writes "eps = @eps". Kind is the zero value of the attribute's type, such as
// float32(0).
type Ref struct {
	Name string
	Kind any
}

// Get returns the named attribute, or nil.
func (as Attrs) Get(name string) any {
	for _, a := range as {
		if a.Name == name {
			return a.Value
		}
	}
	return nil
}

// Has reports whether the attribute is there.
func (as Attrs) Has(name string) bool { return as.Get(name) != nil }

// Int returns the named attribute, or def if it is absent.
func (as Attrs) Int(name string, def int64) int64 { return get(as, name, def) }

// Float returns the named attribute, or def if it is absent.
func (as Attrs) Float(name string, def float32) float32 { return get(as, name, def) }

// Decimal returns the named attribute, or def, as the number that was written:
// see Decimal.
func (as Attrs) Decimal(name string, def float32) float64 { return Decimal(as.Float(name, def)) }

// String returns the named attribute, or def if it is absent.
func (as Attrs) String(name, def string) string { return get(as, name, def) }

// Ints returns the named attribute, or nil.
func (as Attrs) Ints(name string) []int64 { return get[[]int64](as, name, nil) }

// Floats returns the named attribute, or nil.
func (as Attrs) Floats(name string) []float32 { return get[[]float32](as, name, nil) }

// Strings returns the named attribute, or nil.
func (as Attrs) Strings(name string) []string { return get[[]string](as, name, nil) }

// Tensor returns the named attribute, or nil.
func (as Attrs) Tensor(name string) *Tensor { return get[*Tensor](as, name, nil) }

// Graph returns the named attribute, or nil.
func (as Attrs) Graph(name string) *Graph { return get[*Graph](as, name, nil) }

// With returns as with the named attribute set, in its old place if it was
// there. As itself is not changed.
func (as Attrs) With(name string, value any) Attrs {
	as = slices.Clone(as)
	for i := range as {
		if as[i].Name == name {
			as[i].Value = value
			return as
		}
	}
	return append(as, Attr{name, value})
}

// Without returns as without the named attributes.
func (as Attrs) Without(names ...string) Attrs {
	return slices.DeleteFunc(slices.Clone(as), func(a Attr) bool { return slices.Contains(names, a.Name) })
}

// get returns an attribute of type T. An attribute of another type counts as
// absent: Verify and Infer report it where it matters.
func get[T any](as Attrs, name string, def T) T {
	if v, ok := as.Get(name).(T); ok {
		return v
	}
	return def
}

// Decimal returns the double that was meant by x, a float32, which is all that
// attributes of ONNX hold: the one with the fewest digits among those that round to
// x. 0.1, where x is 0.100000001490116.
//
// Who wrote another number, 1/√2 say, meant something within half a unit in the
// last place of x, as the result is; so it is off by a unit at most, and x itself by
// half of one. And the order of numbers is lost: the 0.1 of data in float32 is above
// this one. So it is nothing for weights and data, nor for what these are compared
// with.
func Decimal(x float32) float64 {
	f, err := strconv.ParseFloat(strconv.FormatFloat(float64(x), 'g', -1, 32), 64)
	if err != nil {
		panic(err) // it was just written
	}
	return f
}

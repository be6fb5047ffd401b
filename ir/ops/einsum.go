package ops

import (
	"fmt"
	"slices"
	"strings"

	"github.com/lxtc/lxtc/ir"
)

func einsumOps() []*ir.Op { return []*ir.Op{einsum} }

var einsum = &ir.Op{
	Name: ir.OpName{Name: "Einsum"}, Since: 12, Doc: "sum of products over labelled axes",
	In: ir.P("Inputs*"), Out: ir.P("Output"),
	Infer: inferEinsum,
	VJP:   einsumVJP,
}

// An Equation is an Einsum equation: one label per axis of every input and of
// the output. Axes under an ellipsis have the labels 'A' + 256 and on, aligned
// at the right.
type Equation struct {
	In  [][]rune
	Out []rune
}

// ellipsisLabel is the label of the i-th axis, counted from the last, of those
// that an ellipsis stands for.
func ellipsisLabel(i int) rune { return rune('A' + 256 + i) }

// ParseEquation reads an equation such as "bij,bjk->bik" for inputs of the
// given ranks. Without an arrow the output has the axes of the ellipsis and
// then the labels that occur once, in alphabetical order.
func ParseEquation(equation string, ranks []int) (*Equation, error) {
	text := strings.ReplaceAll(equation, " ", "")
	left, right, arrow := strings.Cut(text, "->")
	terms := strings.Split(left, ",")
	if len(terms) != len(ranks) {
		return nil, fmt.Errorf("equation %q has %d terms for %d inputs", equation, len(terms), len(ranks))
	}
	e := &Equation{}
	widest := 0
	times := map[rune]int{}
	for i, term := range terms {
		named := strings.Replace(term, "...", "", 1)
		width := 0
		if len(named) < len(term) {
			width = ranks[i] - len(named)
			if width < 0 {
				return nil, fmt.Errorf("equation %q: term %q for an input of rank %d", equation, term, ranks[i])
			}
		}
		labels, err := expandTerm(term, width)
		if err != nil {
			return nil, fmt.Errorf("equation %q: %w", equation, err)
		}
		if len(labels) != ranks[i] {
			return nil, fmt.Errorf("equation %q: term %q for an input of rank %d", equation, term, ranks[i])
		}
		widest = max(widest, width)
		for _, l := range labels {
			times[l]++
		}
		e.In = append(e.In, labels)
	}
	if !arrow {
		for i := widest - 1; i >= 0; i-- {
			e.Out = append(e.Out, ellipsisLabel(i))
		}
		for c := 'A'; c <= 'z'; c++ {
			if times[c] == 1 {
				e.Out = append(e.Out, c)
			}
		}
		return e, nil
	}
	labels, err := expandTerm(right, widest)
	if err != nil {
		return nil, fmt.Errorf("equation %q: %w", equation, err)
	}
	for i, l := range labels {
		if times[l] == 0 || slices.Contains(labels[:i], l) {
			return nil, fmt.Errorf("equation %q: the output must name labels of the inputs, each once", equation)
		}
	}
	e.Out = labels
	return e, nil
}

// expandTerm returns the labels of one term; its ellipsis stands for width axes.
func expandTerm(term string, width int) ([]rune, error) {
	labels := []rune{}
	for len(term) > 0 {
		c := rune(term[0])
		switch {
		case strings.HasPrefix(term, "..."):
			for i := width - 1; i >= 0; i-- {
				labels = append(labels, ellipsisLabel(i))
			}
			term = term[3:]
			width = 0
			continue
		case 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z':
			labels = append(labels, c)
		default:
			return nil, fmt.Errorf("%q is no label", c)
		}
		term = term[1:]
	}
	return labels, nil
}

// equationOf returns the equation of a node, nil if the rank of an input is
// unknown.
func equationOf(n *ir.Node) (*Equation, error) {
	ranks := make([]int, len(n.In))
	for i, v := range n.In {
		if v.Type.Shape == nil {
			return nil, nil
		}
		ranks[i] = v.Type.Rank()
	}
	return ParseEquation(n.Attrs.String("equation", ""), ranks)
}

func inferEinsum(n *ir.Node) ([]ir.Type, error) {
	elem, err := mergeElem(n.In...)
	if err != nil {
		return nil, err
	}
	e, err := equationOf(n)
	if err != nil || e == nil {
		return []ir.Type{{Elem: elem}}, err
	}
	dims := map[rune]ir.Dim{}
	for i, labels := range e.In {
		for k, l := range labels {
			d := n.In[i].Type.Shape[k]
			if old, ok := dims[l]; ok {
				both, err := broadcast([]ir.Dim{old}, []ir.Dim{d})
				if err != nil {
					return nil, err
				}
				d = both[0]
			}
			dims[l] = d
		}
	}
	out := make([]ir.Dim, len(e.Out))
	for i, l := range e.Out {
		out[i] = dims[l]
	}
	return one(ir.Type{Elem: elem, Shape: out})
}

// einsumVJP derives by exchanging an input with the output: for
// "bij,bjk->bik" the derivative of the first input is "bik,bjk->bij".
func einsumVJP(b *ir.Builder, n *ir.Node, dy []*ir.Value, want []bool) []*ir.Value {
	out := make([]*ir.Value, len(want))
	e, err := equationOf(n)
	if err != nil || e == nil {
		b.Fail("%v: derivative of inputs of unknown rank", n)
		return out
	}
	for i := range out {
		if want[i] {
			out[i] = einsumInput(b, n, e, dy[0], i)
		}
	}
	return out
}

// einsumInput is the derivative of input k. Labels that only the input has
// were summed: their axes are repeated. A label that it has twice takes a
// diagonal: elsewhere the derivative is zero.
func einsumInput(b *ir.Builder, n *ir.Node, e *Equation, dy *ir.Value, k int) *ir.Value {
	x := n.In[k]
	terms, args := [][]rune{e.Out}, []*ir.Value{dy}
	for i, labels := range e.In {
		if i != k {
			terms, args = append(terms, labels), append(args, n.In[i])
		}
	}
	var found []rune     // the labels of the input that other terms have
	var missing []int64  // the axes of the input that they have not
	var repeats [][2]int // axes of the input that must be equal
	first := map[rune]int{}
	for axis, l := range e.In[k] {
		switch at, seen := first[l]; {
		case seen:
			missing = append(missing, int64(axis))
			repeats = append(repeats, [2]int{at, axis})
			continue
		case slices.ContainsFunc(terms, func(t []rune) bool { return slices.Contains(t, l) }):
			found = append(found, l)
		default:
			missing = append(missing, int64(axis))
		}
		first[l] = axis
	}
	g := b.OpA("Einsum", ir.Attrs{{Name: "equation", Value: spell(terms, found)}}, args...)
	if len(missing) > 0 {
		g = b.Op("Expand", b.Op("Unsqueeze", g, b.Ints(missing...)), like(b, x))
	}
	for _, r := range repeats {
		g = b.Op("Where", diagonal(b, x, r[0], r[1]), g, b.Scalar(0, g))
	}
	return b.SumTo(g, x)
}

// spell writes an equation with plain letters for all labels.
func spell(terms [][]rune, out []rune) string {
	letters := map[rune]rune{}
	const alphabet = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
	var sb strings.Builder
	write := func(labels []rune) {
		for _, l := range labels {
			if letters[l] == 0 {
				letters[l] = rune(alphabet[len(letters)%len(alphabet)])
			}
			sb.WriteRune(letters[l])
		}
	}
	for i, t := range terms {
		if i > 0 {
			sb.WriteByte(',')
		}
		write(t)
	}
	sb.WriteString("->")
	write(out)
	return sb.String()
}

// diagonal is true where the coordinates of x along two axes are equal. It has
// the rank of x and extent 1 along the other axes.
func diagonal(b *ir.Builder, x *ir.Value, i, j int) *ir.Value {
	coordinates := func(axis int) *ir.Value {
		size := b.OpA("Shape", ir.Attrs{{Name: "start", Value: int64(axis)}, {Name: "end", Value: int64(axis + 1)}}, x)
		zero, step := b.Constant(ir.Of([]int64{0})), b.Constant(ir.Of([]int64{1}))
		line := b.Op("Range", zero, b.Op("Squeeze", size, b.Ints(0)), step)
		shape := slices.Repeat([]int64{1}, x.Type.Rank())
		shape[axis] = -1
		return b.Op("Reshape", line, b.Ints(shape...))
	}
	return b.Op("Equal", coordinates(i), coordinates(j))
}

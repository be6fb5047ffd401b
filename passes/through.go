package passes

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/lxtc/lxtc/internal/diag"
	"github.com/lxtc/lxtc/ir"
)

// A Condition lets relevance through some elements of a tensor only: heads,
// channels or neurons, as concept relevance propagation does (Achtibat et al.
// 2023). Relevance at the others becomes 0 before it flows on. Several
// conditions on one tensor let through what any of them does; on tensors one
// behind the other relevance must pass all.
type Condition struct {
	Tensor string    // its name in the file
	Index  [][]int64 // for each axis the indices that are let through, nil for all; missing axes are all
}

// ParseCondition reads "TENSOR[:,3]" or "TENSOR[:,0|5,-1]": indices of each
// axis, or : for all of them.
func ParseCondition(s string) (Condition, error) {
	bad := func(why string) (Condition, error) {
		return Condition{}, diag.Errorf("LX3006", "condition %q: %s", s, why).Help("write TENSOR[:,3] for channel 3, or TENSOR[:,0|5] for 0 and 5")
	}
	open := strings.LastIndexByte(s, '[')
	if open <= 0 || !strings.HasSuffix(s, "]") {
		return bad("no indices in brackets")
	}
	c := Condition{Tensor: s[:open]}
	for axis := range strings.SplitSeq(s[open+1:len(s)-1], ",") {
		var index []int64
		if axis = strings.TrimSpace(axis); axis != ":" {
			for word := range strings.SplitSeq(axis, "|") {
				i, err := strconv.ParseInt(strings.TrimSpace(word), 10, 64)
				if err != nil {
					return bad(fmt.Sprintf("%q is no index", strings.TrimSpace(word)))
				}
				index = append(index, i)
			}
		}
		c.Index = append(c.Index, index)
	}
	if !slices.ContainsFunc(c.Index, func(index []int64) bool { return index != nil }) {
		return bad("it lets everything through")
	}
	return c, nil
}

// String returns c as ParseCondition reads it.
func (c Condition) String() string {
	axes := make([]string, len(c.Index))
	for a, index := range c.Index {
		words := make([]string, len(index))
		for i, k := range index {
			words[i] = strconv.FormatInt(k, 10)
		}
		axes[a] = strings.Join(words, "|")
		if index == nil {
			axes[a] = ":"
		}
	}
	return c.Tensor + "[" + strings.Join(axes, ",") + "]"
}

// conditions resolves the conditions.
func (c *Context) conditions(m *ir.Model) (map[*ir.Value][]Condition, error) {
	by := map[*ir.Value][]Condition{}
	for _, k := range c.Through {
		v := m.Graph.Find(k.Tensor)
		if v == nil || v.IsConst() {
			var names []string
			for v := range m.Graph.Values() {
				names = append(names, v.Name)
			}
			return nil, diag.Errorf("LX3006", "condition %s: no tensor is called %q%s", k, k.Tensor, diag.DidYouMean(k.Tensor, names)).In(m.File).
				Help("`lxtc dump --after input` lists the tensors")
		}
		if rank := v.Type.Rank(); len(k.Index) > rank {
			return nil, diag.Errorf("LX3006", "condition %s has %d axes, and %s is %s", k, len(k.Index), v, v.Type).In(m.File)
		}
		by[v] = append(by[v], k)
	}
	return by, nil
}

// through makes relevance that arrives at v what its conditions let through.
func (w *walk) through(v *ir.Value) error {
	conditions, r := w.conditions[v], w.arrives[v]
	if conditions == nil || r == nil {
		return nil
	}
	delete(w.conditions, v)
	b := w.m.At(w.m.Graph, nil)
	b.Origin = "relevance/through <- " + v.Name
	var mask *ir.Value
	for _, c := range conditions {
		one, err := c.mask(b, v, r)
		if err != nil {
			return diag.Errorf("LX3006", "condition %s: %w", c, err).In(w.m.File)
		}
		if mask != nil {
			one = b.Op("Max", mask, one)
		}
		mask = one
		w.c.Did("through", c.String(), "")
	}
	w.arrives[v] = b.Op("Where", b.Op("Greater", mask, b.Scalar(0, r)), r, b.Scalar(0, r))
	return b.Err()
}

// mask returns 1 where c lets relevance through, of the type of r, with an axis
// of length 1 where it lets all through.
func (c Condition) mask(b *ir.Builder, v, r *ir.Value) (*ir.Value, error) {
	shape, total := make([]int, v.Type.Rank()), 1
	for a := range shape {
		shape[a] = 1
		if a >= len(c.Index) || c.Index[a] == nil {
			continue
		}
		n, known := v.Type.Shape[a].Num()
		if !known {
			return nil, fmt.Errorf("axis %d of %s has no length that is known before the model runs; select heads, channels or neurons", a, v.Type)
		}
		for _, k := range c.Index[a] {
			if k >= n || k < -n {
				return nil, fmt.Errorf("index %d of axis %d is outside 0…%d", k, a, n-1)
			}
		}
		if n > maxMask/int64(total) { // n is not 0: an index is inside
			return nil, fmt.Errorf("a mask of so many elements is too large")
		}
		shape[a], total = int(n), total*int(n)
	}
	mask := make([]float32, total)
	at := make([]int, len(shape))
	for i := range mask {
		mask[i] = 1
		for a := range at {
			if a < len(c.Index) && c.Index[a] != nil && !c.lets(a, at[a], shape[a]) {
				mask[i] = 0
			}
		}
		for a := len(at) - 1; a >= 0; a-- {
			if at[a]++; at[a] < shape[a] {
				break
			}
			at[a] = 0
		}
	}
	x := b.Constant(ir.Of(mask, shape...))
	if r.Type.Elem != ir.Float {
		x = b.OpA("Cast", ir.Attrs{{Name: "to", Value: int64(r.Type.Elem)}}, x)
	}
	return x, nil
}

// maxMask bounds the elements of a condition's mask: as many as a large layer
// has neurons, squared.
const maxMask = 1 << 28

// lets reports whether c lets index i of n of an axis through.
func (c Condition) lets(axis, i, n int) bool {
	return slices.Contains(c.Index[axis], int64(i)) || slices.Contains(c.Index[axis], int64(i-n))
}

// unmet fails for a condition that no relevance arrives at: its tensor is not
// on the way.
func (w *walk) unmet() error {
	for _, c := range w.c.Through {
		for v := range w.conditions {
			if v.Named(c.Tensor) {
				return diag.Errorf("LX3006", "condition %s: no relevance arrives at %s", c, v.Name).In(w.m.File).
					Help("it must lie on the way from %s to the target", strings.Join(w.c.report.Explained, ", "))
			}
		}
	}
	return nil
}

package passes

import (
	"slices"
	"strings"

	"github.com/lxtc/lxtc/internal/diag"
	"github.com/lxtc/lxtc/ir"
)

// A Condition lets relevance through some elements of a tensor only: heads,
// channels or neurons, as concept relevance propagation does (Achtibat et al.
// 2023). Relevance at the others becomes 0 before it flows on, and what would pass
// beside the tensor, by a residual connection, does not count (see
// Options.Beside). Several conditions on one tensor let through what any of them
// does; on tensors one behind the other relevance must pass all, on tensors side
// by side one.
type Condition struct {
	Tensor string // its name in the file
	Index  Elements

	// Input leaves the choice to each run: relevance is multiplied by an input of
	// the graph, called "mask:" and the name of the tensor, that broadcasts to it,
	// and is 1 if it is not given. Index is then nil.
	Input bool
}

// ParseCondition reads "TENSOR[:,3]" or "TENSOR[:,0|5,-1]": indices of each
// axis, or : for all of them.
func ParseCondition(s string) (Condition, error) {
	bad := func(why string) (Condition, error) {
		return Condition{}, diag.Errorf("LX3006", "condition %q: %s", s, why).Help("write TENSOR[:,3] for channel 3, or TENSOR[:,0|5|8:12] for several")
	}
	open := strings.LastIndexByte(s, '[')
	if open <= 0 || !strings.HasSuffix(s, "]") {
		return bad("no indices in brackets")
	}
	index, err := ParseElements(s[open+1 : len(s)-1])
	switch {
	case err != nil:
		return bad(err.Error())
	case index.whole():
		return bad("it lets everything through")
	}
	return Condition{Tensor: s[:open], Index: index}, nil
}

// String returns c as ParseCondition reads it, if it is no input.
func (c Condition) String() string {
	if c.Input {
		return maskName(c.Tensor)
	}
	return c.Tensor + "[" + c.Index.String() + "]"
}

// maskName is the input that a condition of a run has.
func maskName(tensor string) string { return "mask:" + tensor }

// conditions resolves the conditions.
func (c *Context) conditions(m *ir.Model) (map[*ir.Value][]Condition, error) {
	by := map[*ir.Value][]Condition{}
	for _, k := range c.Through {
		v := m.Graph.Find(k.Tensor)
		switch {
		case v == nil || v.IsConst():
			return nil, diag.Errorf("LX3006", "condition %s: no tensor is called %q%s", k, k.Tensor, diag.DidYouMean(k.Tensor, valueNames(m.Graph))).In(m.File).
				Help("`lxtc inspect -v` lists the tensors of a model")
		case v.Type.Rank() < 0:
			return nil, diag.Errorf("LX3006", "condition %s: the rank of %s is unknown", k, v).In(m.File)
		case len(k.Index) > v.Type.Rank():
			return nil, diag.Errorf("LX3006", "condition %s has %d axes, and %s is %s", k, len(k.Index), v, v.Type).In(m.File)
		}
		if err := k.Index.inside(v.Type.Shape); err != nil {
			return nil, diag.Errorf("LX3006", "condition %s: %w", k, err).In(m.File)
		}
		by[v] = append(by[v], k)
	}
	return by, nil
}

// masked returns what the conditions on v let through of the relevance r there.
func (w *walk) masked(v, r *ir.Value) (*ir.Value, error) {
	conditions := w.conditions[v]
	if conditions == nil {
		return r, nil
	}
	w.met[v] = true
	b := w.m.At(w.m.Graph, nil)
	b.Origin = "relevance/through <- " + v.Name
	var lets *ir.Value // true where any condition lets relevance through
	for _, c := range conditions {
		w.c.Did("through", c.String(), "")
		if c.Input {
			mask, err := w.maskInput(c, v, r)
			if err != nil {
				return nil, err
			}
			r = b.Mul(r, mask)
			continue
		}
		one := c.Index.mask(b, v)
		if lets != nil {
			one = b.Op("Or", lets, one)
		}
		lets = one
	}
	if lets != nil {
		r = b.Op("Where", lets, r, b.Scalar(0, r))
	}
	if b.Err() == nil {
		r.Type = ir.Type{Elem: r.Type.Elem, Shape: v.Type.Shape}
	}
	return r, b.Err()
}

// maskInput returns the input that relevance at v is multiplied by: of any shape that
// broadcasts to v, and 1 by default.
func (w *walk) maskInput(c Condition, v, r *ir.Value) (*ir.Value, error) {
	name := maskName(c.Tensor)
	if w.m.Graph.Find(name) != nil {
		return nil, diag.Errorf("LX3006", "the model has a tensor %q already", name).In(w.m.File)
	}
	one, err := ir.Scalar(r.Type.Elem, 1)
	if err != nil {
		return nil, err
	}
	one.Shape = slices.Repeat([]int{1}, v.Type.Rank())
	mask := w.m.Graph.Input(name, ir.Type{Elem: r.Type.Elem, Shape: slices.Repeat([]ir.Dim{ir.Unknown}, v.Type.Rank())})
	mask.Default = one
	return mask, nil
}

// unmet fails for a condition that no relevance arrives at: its tensor is not
// on the way.
func (w *walk) unmet() error {
	for _, c := range w.c.Through {
		for v := range w.conditions {
			if v.Named(c.Tensor) && !w.met[v] {
				return diag.Errorf("LX3006", "condition %s: no relevance arrives at %s", c, v.Name).In(w.m.File).
					Help("it must lie on the way from %s to the target%s", strings.Join(w.c.report.Explained, ", "), w.besideOthers())
			}
		}
	}
	return nil
}

func (w *walk) besideOthers() string {
	if len(w.conditions) < 2 || w.c.Beside {
		return ""
	}
	return ", and behind the tensors of other conditions; or let relevance pass beside them, too (--beside)"
}

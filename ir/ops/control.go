package ops

import (
	"fmt"
	"math"
	"slices"

	"github.com/lxtc/lxtc/ir"
)

// controlOps run graphs: those in their attributes, once, often or not at all.
//
// Their bodies are what the graphs compute, written out, where that can be said
// before the graph runs: an If by choosing, a Loop by repeating. Relevance takes
// that way. Where it cannot be said they have no derivative.
func controlOps() []*ir.Op { return []*ir.Op{ifOp, loop, scan} }

// maxUnrolled bounds the nodes that writing out a loop makes.
const maxUnrolled = 1 << 14

var ifOp = &ir.Op{
	Name: ir.OpName{Name: "If"}, Since: 1, Fused: true, Doc: "the outputs of one graph or another",
	In: ir.P("cond"), Out: ir.P("outputs*"),
	Infer: func(n *ir.Node) ([]ir.Type, error) {
		yes, no, err := branches(n)
		if err != nil {
			return nil, err
		}
		types := make([]ir.Type, len(yes.Outputs))
		for i, v := range yes.Outputs {
			if types[i], err = eitherType(v.Type, no.Outputs[i].Type); err != nil {
				return nil, fmt.Errorf("output %d: %w", i, err)
			}
		}
		return types, nil
	},
	Body: func(b *ir.Builder, n *ir.Node) []*ir.Value {
		yes, no, err := branches(n)
		if err != nil {
			return []*ir.Value{b.Fail("%w", err)}
		}
		switch on, known := truthOf(n.In[0]); {
		case known && on:
			return b.Splice(yes)
		case known:
			return b.Splice(no)
		}
		for i, v := range yes.Outputs {
			if u := no.Outputs[i]; !sameShape(v.Type, u.Type) {
				return []*ir.Value{b.Fail("the branches make %s and %s of output %d, which cannot both be computed to choose between them", v.Type, u.Type, i)}
			}
		}
		cond, ys, ns := b.Op("Reshape", n.In[0], b.Ints()), b.Splice(yes), b.Splice(no)
		for i := range ys {
			ys[i] = b.Op("Where", cond, ys[i], ns[i])
		}
		return ys
	},
	VJP: noVJP,
}

// branches returns the graphs of an If.
func branches(n *ir.Node) (yes, no *ir.Graph, err error) {
	yes, no = n.Attrs.Graph("then_branch"), n.Attrs.Graph("else_branch")
	switch {
	case yes == nil || no == nil:
		return nil, nil, fmt.Errorf("want the graphs then_branch and else_branch")
	case len(yes.Inputs) > 0 || len(no.Inputs) > 0:
		return nil, nil, fmt.Errorf("a branch has inputs, want none")
	case len(yes.Outputs) != len(no.Outputs):
		return nil, nil, fmt.Errorf("the branches have %d and %d outputs", len(yes.Outputs), len(no.Outputs))
	}
	return yes, no, nil
}

// eitherType is what is known of a value that has one type or the other.
func eitherType(t, u ir.Type) (ir.Type, error) {
	switch {
	case t.Elem == ir.Undefined:
		t.Elem = u.Elem
	case u.Elem != ir.Undefined && t.Elem != u.Elem:
		return t, fmt.Errorf("it is %s or %s", t, u)
	}
	if len(t.Shape) != len(u.Shape) || t.Shape == nil || u.Shape == nil {
		return ir.Type{Elem: t.Elem}, nil
	}
	out := ir.Type{Elem: t.Elem, Shape: slices.Clone(t.Shape)}
	for i, d := range t.Shape {
		if d != u.Shape[i] {
			out.Shape[i] = ir.Unknown
		}
	}
	return out, nil
}

func sameShape(t, u ir.Type) bool {
	return t.Shape != nil && u.Shape != nil && slices.EqualFunc(t.Shape, u.Shape, ir.Dim.Same)
}

// loop's graph takes the number of the iteration, the condition and the carried
// values, and returns the condition, the carried values and what is stacked up.
var loop = &ir.Op{
	Name: ir.OpName{Name: "Loop"}, Since: 1, Fused: true, Doc: "a graph run again and again on what it returns",
	In:  []ir.Param{{Name: "M", Optional: true}, {Name: "cond", Optional: true}, {Name: "v_initial", Optional: true, Variadic: true}},
	Out: ir.P("v_final_and_scan_outputs*"),
	Infer: func(n *ir.Node) ([]ir.Type, error) {
		body, carried, err := loopBody(n)
		if err != nil {
			return nil, err
		}
		var types []ir.Type
		for i, v := range body.Outputs[1:] {
			t := v.Type
			if i >= carried {
				if t.Shape != nil {
					t.Shape = append([]ir.Dim{tripCount(n)}, t.Shape...)
				}
			} else if t, err = eitherType(t, n.In[2+i].Type); err != nil {
				return nil, fmt.Errorf("carried value %d: %w", i, err)
			}
			types = append(types, t)
		}
		return types, nil
	},
	Body: func(b *ir.Builder, n *ir.Node) []*ir.Value {
		body, carried, err := loopBody(n)
		if err != nil {
			return []*ir.Value{b.Fail("%w", err)}
		}
		trips := int64(math.MaxInt64) // the condition ends it
		if limit := n.Input(0); limit != nil {
			ks := knownElems(limit)
			if len(ks) != 1 || ks[0].IsUnknown() {
				return []*ir.Value{b.Fail("how often the loop runs is not known before it runs")}
			}
			var ok bool
			if trips, ok = ks[0].Num(); !ok {
				return []*ir.Value{b.Fail("how often the loop runs is not known before it runs (%s)", ks[0])}
			}
		}
		cond := n.Input(1)
		if cond == nil {
			cond = b.Constant(ir.Of([]bool{true}))
		}
		if neverEnds(n) && trips > maxUnrolled/int64(body.Len()+1) {
			return []*ir.Value{b.Fail("%d turns of %d nodes are too many to write out", trips, body.Len())}
		}
		state := slices.Clone(n.In[min(2, len(n.In)):])
		stacks := make([][]*ir.Value, len(body.Outputs)-1-carried)
		for i := range trips {
			on, known := truthOf(cond)
			switch {
			case !known:
				return []*ir.Value{b.Fail("whether the loop ends after %d turns is not known before it runs", i)}
			case on && i >= maxUnrolled/int64(body.Len()+1):
				return []*ir.Value{b.Fail("more than %d turns of %d nodes are too many to write out", i, body.Len())}
			}
			if !on {
				break
			}
			outs := b.Splice(body, append([]*ir.Value{scalarInt(b, i), cond}, state...)...)
			cond, state = outs[0], outs[1:1+carried]
			for k, v := range outs[1+carried:] {
				stacks[k] = append(stacks[k], v)
			}
		}
		outs := slices.Clone(state)
		for k, vs := range stacks {
			outs = append(outs, stack(b, vs, 0, body.Outputs[1+carried+k].Type))
		}
		return outs
	},
	VJP: noVJP,
}

// loopBody returns a Loop's graph and the number of values it carries.
func loopBody(n *ir.Node) (body *ir.Graph, carried int, err error) {
	body, carried = n.Attrs.Graph("body"), max(0, len(n.In)-2)
	switch {
	case body == nil:
		return nil, 0, fmt.Errorf("want the graph body")
	case len(body.Inputs) != 2+carried:
		return nil, 0, fmt.Errorf("its body has %d inputs, want %d", len(body.Inputs), 2+carried)
	case len(body.Outputs) < 1+carried:
		return nil, 0, fmt.Errorf("its body has %d outputs, want %d or more", len(body.Outputs), 1+carried)
	case slices.Contains(n.In[min(2, len(n.In)):], nil):
		return nil, 0, fmt.Errorf("a carried value is missing")
	}
	return body, carried, nil
}

// tripCount is how often a Loop runs, unless its condition ends it earlier.
func tripCount(n *ir.Node) ir.Dim {
	if ks := knownElems(n.Input(0)); len(ks) == 1 && neverEnds(n) {
		return ks[0]
	}
	return ir.Unknown
}

// neverEnds reports whether a Loop's condition is always true: it is not given,
// or its graph hands on what it gets, and it is true at first.
func neverEnds(n *ir.Node) bool {
	if c := n.Input(1); c != nil {
		if on, known := truthOf(c); !known || !on {
			return false
		}
	}
	body := n.Attrs.Graph("body")
	out := body.Outputs[0]
	for out.Def != nil && out.Def.Op == identity.Name {
		out = out.Def.In[0]
	}
	if out == body.Inputs[1] {
		return true
	}
	on, known := truthOf(out)
	return known && on
}

// stack puts values side by side along a new axis; of none it makes an empty
// tensor of elements of type t.
func stack(b *ir.Builder, vs []*ir.Value, axis int64, t ir.Type) *ir.Value {
	if len(vs) == 0 {
		shape, ok := t.Static()
		if !ok {
			return b.Fail("the shape %s of what is stacked up is not known, and there is nothing to stack", t)
		}
		dims := []int64{0}
		for _, d := range shape {
			dims = append(dims, int64(d))
		}
		return zerosOf(b, t.Elem, b.Ints(dims...))
	}
	up := make([]*ir.Value, len(vs))
	for i, v := range vs {
		up[i] = b.Op("Unsqueeze", v, b.Ints(axis))
	}
	return b.OpA("Concat", ir.Attrs{{Name: "axis", Value: axis}}, up...)
}

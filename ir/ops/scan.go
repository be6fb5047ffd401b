package ops

import (
	"fmt"
	"slices"

	"github.com/lxtc/lxtc/ir"
)

// scan's graph takes the carried values and a slice of every scanned input, and
// returns the carried values and a slice of every output.
var scan = &ir.Op{
	Name: ir.OpName{Name: "Scan"}, Since: 9, Fused: true, Doc: "a graph run over the slices of tensors",
	In: ir.P("initial_state_and_scan_inputs*"), Out: ir.P("final_state_and_scan_outputs*"),
	Infer: func(n *ir.Node) ([]ir.Type, error) {
		s, err := ScanOf(n)
		if err != nil {
			return nil, err
		}
		var types []ir.Type
		for i, v := range s.Body.Outputs {
			t := v.Type
			if i < s.States {
				if t, err = eitherType(t, n.In[i].Type); err != nil {
					return nil, fmt.Errorf("state %d: %w", i, err)
				}
				types = append(types, t)
				continue
			}
			if t.Shape != nil {
				k, err := normAxis(s.OutAxes[i-s.States], len(t.Shape)+1)
				if err != nil {
					return nil, err
				}
				t.Shape = slices.Insert(slices.Clone(t.Shape), k, s.length(n))
			}
			types = append(types, t)
		}
		return types, nil
	},
	Body: func(b *ir.Builder, n *ir.Node) []*ir.Value {
		s, err := ScanOf(n)
		if err != nil {
			return []*ir.Value{b.Fail("%w", err)}
		}
		length, ok := s.length(n).Num()
		switch {
		case !ok:
			return []*ir.Value{b.Fail("the number of slices is not known before it runs")}
		case length > maxUnrolled/int64(s.Body.Len()+len(n.In)):
			return []*ir.Value{b.Fail("%d turns of %d nodes are too many to write out", length, s.Body.Len())}
		}
		state := slices.Clone(n.In[:s.States])
		stacks := make([][]*ir.Value, len(s.Body.Outputs)-s.States)
		for i := range length {
			args := slices.Clone(state)
			for k, x := range n.In[s.States:] {
				at := i
				if s.InBack[k] {
					at = length - 1 - i
				}
				args = append(args, b.OpA("Gather", ir.Attrs{{Name: "axis", Value: s.InAxes[k]}}, x, scalarInt(b, at)))
			}
			outs := b.Splice(s.Body, args...)
			state = outs[:s.States]
			for k, v := range outs[s.States:] {
				stacks[k] = append(stacks[k], v)
			}
		}
		outs := slices.Clone(state)
		for k, vs := range stacks {
			if s.OutBack[k] {
				slices.Reverse(vs)
			}
			outs = append(outs, stack(b, vs, s.OutAxes[k], s.Body.Outputs[s.States+k].Type))
		}
		return outs
	},
	VJP: noVJP,
}

// A Scanning is the attributes of a Scan node, with defaults filled in.
type Scanning struct {
	Body            *ir.Graph
	States          int     // carried values
	InAxes, OutAxes []int64 // may be negative
	InBack, OutBack []bool  // from the end
}

// ScanOf reads the attributes of a Scan node.
func ScanOf(n *ir.Node) (*Scanning, error) {
	s := &Scanning{Body: n.Attrs.Graph("body")}
	scanned := int(n.Attrs.Int("num_scan_inputs", 0))
	s.States = len(n.In) - scanned
	switch {
	case s.Body == nil:
		return nil, fmt.Errorf("want the graph body")
	case scanned < 1 || s.States < 0:
		return nil, fmt.Errorf("%d of %d inputs are scanned", scanned, len(n.In))
	case len(s.Body.Inputs) != len(n.In):
		return nil, fmt.Errorf("its body has %d inputs, want %d", len(s.Body.Inputs), len(n.In))
	case len(s.Body.Outputs) < s.States:
		return nil, fmt.Errorf("its body has %d outputs, want %d or more", len(s.Body.Outputs), s.States)
	case slices.Contains(n.In, nil):
		return nil, fmt.Errorf("an input is missing")
	}
	made := len(s.Body.Outputs) - s.States
	var err error
	list := func(name string, want int) []int64 {
		xs := n.Attrs.Ints(name)
		if len(xs) == 0 {
			return make([]int64, want)
		}
		if len(xs) != want {
			err = fmt.Errorf("%s %v: want %d numbers", name, xs, want)
			return make([]int64, want)
		}
		return xs
	}
	back := func(name string, want int) []bool {
		out := make([]bool, want)
		for i, x := range list(name, want) {
			out[i] = x != 0
		}
		return out
	}
	s.InAxes, s.OutAxes = list("scan_input_axes", scanned), list("scan_output_axes", made)
	s.InBack, s.OutBack = back("scan_input_directions", scanned), back("scan_output_directions", made)
	return s, err
}

// length is the number of slices.
func (s *Scanning) length(n *ir.Node) ir.Dim {
	for k, x := range n.In[s.States:] {
		i, err := normAxis(s.InAxes[k], x.Type.Rank())
		if err == nil && !x.Type.Shape[i].IsUnknown() {
			return x.Type.Shape[i]
		}
	}
	return ir.Unknown
}

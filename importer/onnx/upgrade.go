package onnx

import (
	"slices"

	"github.com/lxtc/lxtc/internal/diag"
	"github.com/lxtc/lxtc/ir"
)

// A step brings an operator from any version before until to the spelling of
// that version. Steps of one operator are taken in order, each only by nodes
// older than it.
type step struct {
	op    string
	until int64
	take  func(u *upgrader) error
}

// forever is the version of a step that every node takes.
const forever = 1 << 30

// steps lists every change of spelling in ai.onnx since version 7. New types,
// new optional inputs and new attributes whose default is the old meaning need
// no step.
func steps() []step {
	list := []step{
		{"BatchNormalization", 9, dropSpatial},
		{"Upsample", 9, attrToInput("scales")},
		{"Slice", 10, attrsToInputs("starts", "ends", "axes")},
		{"TopK", 10, attrsToInputs("k")},
		{"Resize", 11, resizeWithoutRegion},
		{"Clip", 11, boundsToInputs},
		{"Pad", 11, padsToInputs},
		{"Scatter", forever, rename("ScatterElements")},
		{"Dropout", 12, attrToInput("ratio")},
		{"Softmax", 13, softmaxOverRows},
		{"LogSoftmax", 13, softmaxOverRows},
		{"Hardmax", 13, softmaxOverRows},
		{"Squeeze", 13, attrsToInputs("axes")},
		{"Unsqueeze", 13, attrsToInputs("axes")},
		{"ReduceSum", 13, attrsToInputs("axes")},
		{"Split", 13, attrsToInputs("split")},
		{"BatchNormalization", 14, onlyInference},
		{"Split", 18, equalParts},
		{"Scan", 9, scanOfBatches},
		{"RoiAlign", 16, roisByOutput},
		{"GridSample", 20, gridModes},
		{"DFT", 20, dftAxis},
		{"GroupNormalization", 21, groupsToChannels},
		{"Upsample", forever, upsampleToResize},
		{"Resize", forever, omitEmpty},
		{"SimplifiedLayerNormalization", forever, rmsNormalization},
		{"Range", forever, refuse("stash_type", 1)},
		{"SequenceConstruct", forever, sequenceConstruct},
		{"SplitToSequence", forever, splitToSequence},
		{"SequenceAt", forever, sequenceAt},
		{"ConcatFromSequence", forever, concatFromSequence},
	}
	for _, op := range []string{"L1", "L2", "LogSum", "LogSumExp", "Max", "Mean", "Min", "Prod", "SumSquare"} {
		list = append(list, step{"Reduce" + op, 18, attrsToInputs("axes")})
	}
	return append(list, step{"GlobalLpPool", forever, globalLpPoolToReduce}) // after the steps of what it becomes
}

// renames reports whether a step gives op another name, one that set knows.
func renames(op ir.OpName, set *ir.OpSet) bool {
	to := map[ir.OpName]string{
		{Name: "Scatter"}:                      "ScatterElements",
		{Name: "Upsample"}:                     "Resize",
		{Name: "GlobalLpPool"}:                 "ReduceL2",
		{Name: "SimplifiedLayerNormalization"}: "RMSNormalization",
		{Name: "SequenceConstruct"}:            "Identity",
		{Name: "SplitToSequence"}:              "Split",
		{Name: "SequenceAt"}:                   "Identity",
		{Name: "ConcatFromSequence"}:           "Concat",
	}[op]
	return to != "" && set.Lookup(ir.OpName{Name: to}) != nil
}

// upgrade brings c to the current spelling of its operator.
func (d *decoder) upgrade(sc *scope, c *call) error {
	if c.op.Domain != "" || d.opaque[c.op] {
		return nil
	}
	u := &upgrader{d: d, sc: sc, c: c}
	for _, s := range d.steps {
		if s.op != c.op.Name || c.version >= s.until {
			continue
		}
		if err := s.take(u); err != nil {
			return wrap("LX1013", err, "in the spelling of version %d", c.version)
		}
	}
	return nil
}

// An upgrader is what a step has in hand: the node, and a place to put
// constants and nodes before it.
type upgrader struct {
	d  *decoder
	sc *scope
	c  *call
}

// base is the name that generated names begin with.
func (u *upgrader) base() string {
	for _, name := range u.c.out {
		if name != "" {
			return u.sc.rename(name)
		}
	}
	return "unused"
}

// constant adds a constant beside the node.
func (u *upgrader) constant(what string, t *ir.Tensor) *ir.Value {
	return u.sc.graph.Const(u.sc.fresh(u.base()+"_"+what), t)
}

// node adds a node before the node, in the current spelling.
func (u *upgrader) node(op, what string, attrs ir.Attrs, in ...*ir.Value) (*ir.Value, error) {
	name := u.sc.fresh(u.base() + "_" + what)
	n := &ir.Node{Op: ir.OpName{Name: op}, In: in, Attrs: attrs, Scopes: u.c.scopes, Out: []*ir.Value{{Name: name}}}
	u.sc.graph.Append(n)
	u.d.need(n.Op, 0)
	return n.Out[0], u.d.infer(n)
}

// input returns input i, an error if there is none.
func (u *upgrader) input(i int) (*ir.Value, error) {
	if i >= len(u.c.in) || u.c.in[i] == nil {
		return nil, diag.Errorf("LX1012", "input %d is missing", i)
	}
	return u.c.in[i], nil
}

// setInput makes v input i.
func (u *upgrader) setInput(i int, v *ir.Value) {
	for len(u.c.in) <= i {
		u.c.in = append(u.c.in, nil)
	}
	u.c.in[i] = v
}

// attrsToInputs moves integer attributes, in the order of names, to the inputs
// after the first. One that is absent is an omitted input.
func attrsToInputs(names ...string) func(u *upgrader) error {
	return func(u *upgrader) error {
		if len(u.c.in) > 1 {
			return diag.Errorf("LX1013", "it has %d inputs, but version %d takes these values as attributes", len(u.c.in), u.c.version)
		}
		for i, name := range names {
			var ints []int64
			switch v := u.c.attrs.Get(name).(type) {
			case nil:
				continue
			case int64:
				ints = []int64{v}
			case []int64:
				ints = v
			default:
				return diag.Errorf("LX1011", "attribute %q does not hold integers", name)
			}
			u.setInput(i+1, u.constant(name, ir.Of(ints, len(ints))))
		}
		u.c.attrs = u.c.attrs.Without(names...)
		return nil
	}
}

// attrToInput moves a floating point attribute to the second input.
func attrToInput(name string) func(u *upgrader) error {
	return func(u *upgrader) error {
		var t *ir.Tensor
		switch v := u.c.attrs.Get(name).(type) {
		case nil:
			return nil
		case float32:
			t = ir.Of([]float32{v})
		case []float32:
			t = ir.Of(v, len(v))
		default:
			return diag.Errorf("LX1011", "attribute %q does not hold numbers", name)
		}
		u.setInput(1, u.constant(name, t))
		u.c.attrs = u.c.attrs.Without(name)
		return nil
	}
}

// rename gives the operator another name.
func rename(name string) func(u *upgrader) error {
	return func(u *upgrader) error {
		u.c.op.Name = name
		return nil
	}
}

// refuse reports an attribute that is newer than the current spelling, unless
// it has the value that stands for the meaning before it.
func refuse(name string, old int64) func(u *upgrader) error {
	return func(u *upgrader) error {
		if u.c.attrs.Has(name) && u.c.attrs.Int(name, old-1) != old {
			return diag.Errorf("LX1013", "attribute %q is not supported", name)
		}
		u.c.attrs = u.c.attrs.Without(name)
		return nil
	}
}

// omitEmpty turns optional inputs that are constants without elements into
// omitted ones, which is what they mean where omission was not allowed.
func omitEmpty(u *upgrader) error {
	for i, v := range u.c.in {
		if i > 0 && v.IsConst() && slices.Contains(v.Data.Shape, 0) {
			u.c.in[i] = nil
		}
	}
	for len(u.c.in) > 0 && u.c.in[len(u.c.in)-1] == nil {
		u.c.in = u.c.in[:len(u.c.in)-1]
	}
	return nil
}

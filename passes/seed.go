package passes

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/lxtc/lxtc/internal/diag"
	"github.com/lxtc/lxtc/ir"
)

// Seed adds what relevance starts from.
var Seed = Pass{
	Name: "seed",
	Doc: "add the relevance of the targets\n\n" +
		"In explicit form the seed of a target is its own value, elsewhere 0; in gradient form it is 1, so that R = x∘G is the same. " +
		"A weight multiplies either.",
	After: []string{"swap"},
	Run:   seed,
}

// seedName is the name under which relevance finds the seed of an output.
func seedName(output string) string { return "seed:" + output }

func seed(c *Context, m *ir.Model) error {
	values, err := c.targets(m)
	if err != nil {
		return err
	}
	weights, err := c.weightsInput(m)
	if err != nil {
		return err
	}
	for _, v := range values {
		b := m.At(m.Graph, nil)
		b.Origin = "seed <- " + v.Name
		s := &seeder{b, c, m, v, weights}
		var sum *ir.Value
		for k, t := range c.Targets {
			if t.Output != v.Name {
				continue
			}
			part := s.of(t, k)
			if sum == nil {
				sum = part
			} else {
				sum = b.Add(sum, part)
			}
			c.Did("seed", t.String(), part.Name)
		}
		if sum.Def == nil { // an input: give it a node of its own to be named
			sum = b.Op("Identity", sum)
		}
		if old := m.Graph.Find(seedName(v.Name)); old != nil { // of a model that was rewritten before
			m.Graph.Rename(old, old.Name+":before")
		}
		b.Named(seedName(v.Name), sum)
		if err := b.Err(); err != nil {
			return diag.Errorf("LX3004", "target of %s: %w", v.Name, err).In(m.File)
		}
	}
	return nil
}

// WeightsInput is the input that the weights of the targets are, if they are one.
const WeightsInput = "target_weights"

// weightsInput makes the weights of the targets an input of the graph: float[n].
// Those that the targets have are its default.
func (c *Context) weightsInput(m *ir.Model) (*ir.Value, error) {
	if !c.Weights {
		return nil, nil
	}
	if m.Graph.Find(WeightsInput) != nil {
		return nil, diag.Errorf("LX3004", "the model has a tensor called %s already", WeightsInput).In(m.File)
	}
	w := make([]float32, len(c.Targets))
	for k, t := range c.Targets {
		w[k] = float32(t.weight())
	}
	in := m.Graph.Input(WeightsInput, ir.Type{Elem: ir.Float, Shape: ir.Dims([]int{len(w)})})
	in.Default = ir.Of(w, len(w))
	return in, nil
}

type seeder struct {
	*ir.Builder
	c       *Context
	m       *ir.Model
	y       *ir.Value // the output
	weights *ir.Value // of the targets, if they are an input; else nil
}

// of returns the relevance of y, or in gradient form the gradient, that is of target k.
func (s *seeder) of(t Target, k int) *ir.Value {
	switch {
	case t.Seed:
		return s.fromInput(t, k)
	case t.Contrast:
		return s.scale(s.valued(s.contrast(t)), k)
	case t.spread():
		return s.scale(s.spread(t), k)
	case s.y.Type.Rank() == 0: // it has no index
		if s.c.Form == ExplicitForm {
			return s.scale(s.Op("Identity", s.y), k)
		}
		return s.Op("Expand", s.weight(k), s.Op("Shape", s.y))
	}
	idx, zeros := s.index(t), s.zeros()
	if s.c.Form == ExplicitForm {
		return s.scatter(zeros, idx, s.scale(s.Op("GatherND", s.y, idx), k))
	}
	rows := s.numbers(idx)
	return s.scatter(zeros, idx, s.Op("Expand", s.weight(k), rows))
}

// weight returns the weight of target k, a scalar of y's type.
func (s *seeder) weight(k int) *ir.Value {
	if s.weights == nil {
		return s.Scalar(s.c.Targets[k].weight(), s.y)
	}
	w := s.OpA("Gather", nil, s.weights, s.Constant(ir.Of([]int64{int64(k)})))
	if s.y.Type.Elem != ir.Float {
		w = s.OpA("Cast", ir.Attrs{{Name: "to", Value: int64(s.y.Type.Elem)}}, w)
	}
	return w
}

// scale returns x times the weight of target k.
func (s *seeder) scale(x *ir.Value, k int) *ir.Value {
	if s.weights == nil {
		return s.Scale(x, s.c.Targets[k].weight())
	}
	return s.Mul(x, s.weight(k))
}

// zeros returns a tensor like y that is 0.
func (s *seeder) zeros() *ir.Value {
	return s.OpA("ConstantOfShape", ir.Attrs{{Name: "value", Value: s.zero()}}, s.Op("Shape", s.y))
}

// numbers returns how many indices there are, as a shape.
func (s *seeder) numbers(idx *ir.Value) *ir.Value {
	return s.OpA("Shape", ir.Attrs{{Name: "end", Value: int64(-1)}}, idx)
}

// scatter adds x to y-like zeros at the given indices.
func (s *seeder) scatter(zeros, idx, x *ir.Value) *ir.Value {
	return s.like(s.OpA("ScatterND", ir.Attrs{{Name: "reduction", Value: "add"}}, zeros, idx, x))
}

// like gives x the type of y.
func (s *seeder) like(x *ir.Value) *ir.Value {
	if s.Err() == nil {
		x.Type = s.y.Type
	}
	return x
}

// valued returns a factor of the values of y as what relevance starts from.
func (s *seeder) valued(factor *ir.Value) *ir.Value {
	if s.c.Form == ExplicitForm {
		return s.like(s.Mul(s.y, factor))
	}
	return factor
}

func (s *seeder) zero() *ir.Tensor {
	t, err := ir.Scalar(s.y.Type.Elem, 0)
	if err != nil {
		s.Fail("%w", err)
		return nil
	}
	t.Shape = []int{1}
	return t
}

// fromInput makes the relevance of the output an input of the graph.
func (s *seeder) fromInput(t Target, k int) *ir.Value {
	r := s.scale(s.m.Graph.Input("R:"+t.Output, s.y.Type), k)
	if s.c.Form == ExplicitForm {
		return r
	}
	// G = R/y; where y is 0, so is its relevance.
	zero := s.Scalar(0, s.y)
	none := s.Op("Equal", s.y, zero)
	return s.Op("Where", none, zero, s.Div(r, s.Op("Where", none, s.Scalar(1, s.y), s.y)))
}

// index returns the indices of the target's elements: int64[k, rank].
func (s *seeder) index(t Target) *ir.Value {
	rank := s.y.Type.Rank()
	switch {
	case rank < 0:
		return s.Fail("the rank of %s is unknown", s.y)
	case t.Index != nil:
		return s.Constant(ir.Of(t.Index, 1, len(t.Index)))
	}
	switch {
	case rank == 1: // one element
		return s.best(t, s.y, -1, nil)
	case rank == 2: // one a row
		rows := s.rows()
		return s.join(rows, s.best(t, s.y, -1, rows))
	case rank == 3: // one a row, at one position
		return s.atPosition(t)
	case ClassAxis(s.y.Type.Shape) == 1:
		return s.ofChannels(t, rank)
	}
	return s.Fail("%w", noLargest(s.y))
}

// ClassAxis returns the axis along which an output scores classes: the last of
// up to three, or the second of more if all after it are 1, as a convnet may leave
// them. It is -1 if there is none.
func ClassAxis(shape []ir.Dim) int {
	switch {
	case len(shape) < 4:
		return len(shape) - 1
	case !slices.ContainsFunc(shape[2:], func(d ir.Dim) bool { return !d.Is(1) }):
		return 1
	}
	return -1
}

// noLargest says that it is not clear which element of y is meant.
func noLargest(y *ir.Value) error {
	example := make([]string, y.Type.Rank())
	for a := range example {
		n, _ := y.Type.Shape[a].Num()
		example[a] = strconv.FormatInt(max(n, 0)/2, 10)
	}
	return fmt.Errorf("%s is %s, too many axes to have one largest element; name one, such as %s[%s]", y, y.Type, y.Name, strings.Join(example, ","))
}

// ofChannels returns one of the second axis in every row.
func (s *seeder) ofChannels(t Target, rank int) *ir.Value {
	rows := s.rows()
	best := s.best(t, s.y, 1, rows)
	columns := []*ir.Value{rows, best}
	for range rank - 2 {
		columns = append(columns, s.Op("Expand", s.Constant(ir.Of([]int64{0}, 1, 1)), s.Op("Shape", best)))
	}
	return s.join(columns...)
}

// atPosition returns one of the last axis in every row, at the target's position
// of the second.
func (s *seeder) atPosition(t Target) *ir.Value {
	rows := s.rows()
	at := s.position(t, rows)
	scores := s.y
	if t.Class == nil {
		scores = s.Op("GatherND", s.y, s.join(rows, at)) // [B, V]
	}
	return s.join(rows, at, s.best(t, scores, -1, rows))
}

// position returns where the target is in every row: int64[B, 1].
func (s *seeder) position(t Target, rows *ir.Value) *ir.Value {
	if t.Mask == "" {
		return s.Op("Expand", s.Constant(ir.Of([]int64{t.Position}, 1, 1)), s.Op("Shape", rows))
	}
	at := fromLast(s.Builder, s.m.Graph, t.Mask, t.Position)
	if s.c.cuts[t.Output] {
		at = s.Sub(at, s.first(at))
	}
	return at
}

// first returns the least of the positions of all rows.
func (s *seeder) first(at *ir.Value) *ir.Value {
	return s.OpA("ReduceMin", ir.Attrs{{Name: "keepdims", Value: int64(0)}}, at, s.Ints(0, 1))
}

// best returns the target's class in every row, or the largest of v along the
// axis: int64[B, 1].
func (s *seeder) best(t Target, v *ir.Value, axis int64, rows *ir.Value) *ir.Value {
	switch {
	case t.Rank > 1:
		return s.OpA("Reshape", nil, s.ranked(t, v, axis), s.Ints(-1, 1))
	case t.Class == nil:
		largest := s.OpA("ArgMax", ir.Attrs{{Name: "axis", Value: axis}, {Name: "keepdims", Value: int64(0)}}, v)
		return s.OpA("Reshape", nil, largest, s.Ints(-1, 1))
	}
	classes := s.Constant(ir.Of(t.Class, len(t.Class), 1))
	if len(t.Class) > 1 || rows == nil {
		return classes
	}
	return s.Op("Expand", classes, s.Op("Shape", rows))
}

// rows numbers the batch rows: int64[B, 1].
func (s *seeder) rows() *ir.Value {
	n := s.OpA("Shape", ir.Attrs{{Name: "start", Value: int64(0)}, {Name: "end", Value: int64(1)}}, s.y)
	count := s.Op("Squeeze", n, s.Ints(0))
	zero, one := s.Constant(ir.Of([]int64{0})), s.Constant(ir.Of([]int64{1}))
	return s.OpA("Reshape", nil, s.Op("Range", zero, count, one), s.Ints(-1, 1))
}

func (s *seeder) join(columns ...*ir.Value) *ir.Value {
	return s.OpA("Concat", ir.Attrs{{Name: "axis", Value: int64(1)}}, columns...)
}

package ops

import (
	"math"

	"github.com/lxtc/lxtc/ir"
)

// attending builds softmax(scale · q kᵀ + bias) v, which all attention operators
// come down to, and gives its nodes the roles that rule maps ask for.
type attending struct {
	b              *ir.Builder
	scale, softcap float64
	precision      ir.DType  // in which softmax is taken; undefined for that of q
	bias           *ir.Value // added to the scores; nil for none
	allowed        *ir.Value // whether a query sees a key; nil for yes
	empty          bool      // a query may see no key: its result is then 0
	sink           *ir.Value // [heads], a score beside the keys that no value belongs to

	raw, capped, masked, weights *ir.Value // on the way, for qk_matmul_output
}

// add adds a bias, of a shape that broadcasts to the scores.
func (a *attending) add(bias *ir.Value) {
	if a.bias != nil {
		bias = a.b.Add(a.bias, bias)
	}
	a.bias = bias
}

// allow lets queries see only what cond allows, too.
func (a *attending) allow(cond *ir.Value) {
	if a.allowed != nil {
		cond = a.b.Op("And", a.allowed, cond)
	}
	a.allowed = cond
}

// window allows keys at most left positions before a query and at most right
// positions after it; a negative number is no limit.
func (a *attending) window(queries, keys *ir.Value, left, right int64) {
	b := a.b
	shift := func(x *ir.Value, by int64) *ir.Value {
		if by == 0 {
			return x
		}
		return b.Add(x, b.Constant(ir.Of([]int64{by})))
	}
	if right >= 0 {
		a.allow(b.Op("LessOrEqual", keys, shift(queries, right)))
	}
	if left >= 0 {
		a.allow(b.Op("GreaterOrEqual", keys, shift(queries, -left)))
	}
}

// run returns the context [B, H, S, Dv] of queries [B, H, S, D], keys [B, G, T,
// D] and values [B, G, T, Dv]. Each group of H/G queries shares a key and a
// value.
func (a *attending) run(q, k, v *ir.Value) *ir.Value {
	b := a.b
	k, v = repeatHeads(b, k, q), repeatHeads(b, v, q)
	scores := role(b.MatMul(q, b.Transpose(k, 0, 1, 3, 2)), "attention.scores")
	if a.scale != 1 {
		scores = role(b.Scale(scores, a.scale), "attention.scale")
	}
	a.raw = scores
	if a.softcap != 0 {
		limit := b.Scalar(a.softcap, scores)
		scores = b.Mul(b.Op("Tanh", b.Div(scores, limit)), limit)
	}
	a.capped = scores
	low := b.Scalar(lowest(scores.Type.Elem), scores)
	if a.bias != nil {
		scores = role(b.Add(scores, a.bias), "attention.mask")
	}
	if a.allowed != nil {
		scores = role(b.Op("Where", a.allowed, scores, low), "attention.mask")
	}
	a.masked = scores
	a.weights = a.guard(a.softmax(scores), low)
	return role(b.MatMul(castTo(b, a.weights, v), v), "attention.context")
}

// softmax is taken over the keys, and over the sink if there is one.
func (a *attending) softmax(scores *ir.Value) *ir.Value {
	b, x := a.b, scores
	if a.precision != ir.Undefined && a.precision != x.Type.Elem {
		x = b.OpA("Cast", toType(a.precision), x)
	}
	if a.sink != nil {
		column := b.Op("Unsqueeze", castTo(b, a.sink, x), b.Ints(0, 2, 3)) // [1, H, 1, 1]
		rows := b.OpA("Concat", ir.Attrs{{Name: "axis", Value: int64(0)}},
			b.OpA("Shape", ir.Attrs{{Name: "end", Value: int64(3)}}, x), b.Ints(1))
		x = concat2(b, 3, x, b.Op("Expand", column, rows))
	}
	x = role(b.OpA("Softmax", ir.Attrs{{Name: "axis", Value: int64(-1)}}, x), "attention.softmax")
	if a.sink != nil {
		x = b.Op("Slice", x, b.Ints(0), b.Ints(-1), b.Ints(3))
	}
	return castTo(b, x, scores)
}

// guard makes the weights of a query that sees no key 0.
func (a *attending) guard(weights, low *ir.Value) *ir.Value {
	if !a.empty {
		return weights
	}
	b, seen := a.b, a.allowed
	if a.bias != nil {
		above := b.Op("Greater", a.bias, low)
		if seen == nil {
			seen = above
		} else {
			seen = b.Op("And", seen, above)
		}
	}
	some := b.OpA("ReduceMax", ir.Attrs{{Name: "keepdims", Value: int64(1)}}, castTo(b, seen, weights), b.Ints(-1))
	return b.Op("Where", b.Op("Greater", some, b.Scalar(0, some)), weights, b.Scalar(0, weights))
}

// exposed is the output qk_matmul_output of ONNX's Attention.
func (a *attending) exposed(mode int64) *ir.Value {
	b := a.b
	switch mode {
	case 0:
		return a.raw
	case 1:
		return a.capped
	case 2: // where a mask forbids a key, -∞ and not the lowest number
		low := b.Scalar(lowest(a.masked.Type.Elem), a.masked)
		return b.Op("Where", b.Op("LessOrEqual", a.masked, low), b.Scalar(math.Inf(-1), a.masked), a.masked)
	case 3:
		return a.weights
	}
	return b.Fail("qk_matmul_output_mode is %d, want 0 to 3", mode)
}

// repeatHeads repeats each head of x [B, G, T, D] for the queries that share it,
// so that there are as many as of q.
func repeatHeads(b *ir.Builder, x, q *ir.Value) *ir.Value {
	h, g := dimOf(q, 1), dimOf(x, 1)
	if h.Same(g) || g.Is(1) { // one head for all broadcasts
		return x
	}
	heads, ok := h.Num()
	groups, ok2 := g.Num()
	if !ok || !ok2 || groups == 0 || heads%groups != 0 {
		return b.Fail("%s heads of queries do not divide into %s groups", h, g)
	}
	x = role(b.Op("Unsqueeze", x, b.Ints(2)), "repeat_kv")
	x = role(b.Op("Expand", x, b.Ints(1, 1, heads/groups, 1, 1)), "repeat_kv")
	size, known := dimOf(x, 4).Num()
	if !known {
		return b.Fail("the size of a head of %s is not known", x.Type)
	}
	return role(b.Op("Reshape", x, b.Ints(0, heads, -1, size)), "repeat_kv")
}

// role names what the node that computes v is for.
func role(v *ir.Value, name string) *ir.Value {
	if v.Def != nil { // else the build has failed
		v.Def.Role = name
	}
	return v
}

package cli

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/lxtc/lxtc/ir"
	"github.com/lxtc/lxtc/passes"
	"github.com/lxtc/lxtc/rules"
)

// ledger is the books of relevance: what every operator received, handed on and
// kept, and for whom. Its pass adds the sums to the graph, so that any backend
// keeps them.
type ledger struct {
	entries []entry
	seeds   []string // outputs of the graph that hold the sum of a seed, and its Σ|R|
	inner   []string // explained tensors whose relevance flows on to another one
}

// entry is one operator of the model that relevance went through.
type entry struct {
	of       *ir.Node
	node, op string
	layer    string // the outermost numbered module around it, or else the innermost
	rule, at string
	formula  string // the body of the relevance function, as text
	sums     string // the output of the graph that holds the numbers of a posting
	cause    string // what keeps whatever is not handed on; "" if the rule conserves
	constant string // what a constant operand is called that may take a share
	strict   bool   // nothing may be kept but what moves to constants: --neutral
	moves    bool   // data only moves
	half     bool   // half floats: sums are as inexact as they are
}

// Causes: for what an operator keeps relevance.
const (
	bySoftmax  = "softmax"  // the term of order zero of its expansion
	byBias     = "bias"     // and the mean of a normalization
	byConstant = "constant" // another constant operand: a position, a mask, a class token
	byStop     = "stop"     // an operand that depends on what is explained, behind a rule that stops
	byEpsilon  = "epsilon"  // the stabilizer, and outputs to which nothing contributes
	byQuotient = "quotient" // x/y does not grow with x and y together
	byRule     = "rule"     // the rule does not conserve there
)

// causes in the order of reports.
var causes = []string{bySoftmax, byBias, byConstant, byStop, byEpsilon, byQuotient, byRule}

// pass returns the pass that keeps the ledger. It reads what the relevance
// pass has just built, in explicit form.
func (l *ledger) pass() passes.Pass {
	return passes.Pass{
		Name:  "ledger",
		Doc:   "add up the relevance that goes in and out of every operator",
		After: []string{"relevance"},
		Run:   l.run,
	}
}

func (l *ledger) run(c *passes.Context, m *ir.Model) error {
	g := m.Graph
	calls, err := relevanceCalls(m)
	if err != nil {
		return err
	}
	stopped, err := behindStops(c, g)
	if err != nil {
		return err
	}
	ruled := map[*ir.Node]bool{}
	for _, r := range calls {
		ruled[r.of] = true
		if err := l.enter(c, m, r, stopped); err != nil {
			return err
		}
	}
	l.findInner(c, g, ruled)
	b := m.At(g, nil)
	for v := range g.Values() {
		if output, ok := strings.CutPrefix(v.Name, "seed:"); ok {
			name := "ledger:seed:" + output
			v = wide(b, v)
			sums := b.OpA("Concat", ir.Attrs{{Name: "axis", Value: int64(0)}}, single(b, total(b, v)), single(b, total(b, b.Op("Abs", v))))
			g.Outputs = append(g.Outputs, b.Named(name, sums))
			l.seeds = append(l.seeds, name)
			c.Did("seed", v.Name, name)
		}
	}
	return b.Err()
}

// relevanceCall is an operator of the model and the node that computes the
// relevance of its inputs.
type relevanceCall struct {
	of, call *ir.Node
	f        *ir.Func // what call calls
}

// relevanceCalls finds the relevance of every operator in what the relevance
// pass has just built. Operators that relevance passes by a plain derivative
// have none.
func relevanceCalls(m *ir.Model) ([]relevanceCall, error) {
	forward := map[string][]*ir.Node{} // by what they are called, last first
	for n := range m.Graph.Backward() {
		if n.Rule != "" {
			forward[n.String()] = append(forward[n.String()], n)
		}
	}
	var calls []relevanceCall
	for call := range m.Graph.Nodes() {
		f := m.Func(call.Op)
		origin, ok := strings.CutPrefix(call.Origin, "relevance/")
		if f == nil || !ok {
			continue
		}
		_, name, _ := strings.Cut(origin, " <- ")
		nodes := forward[name]
		if len(nodes) == 0 {
			return nil, fmt.Errorf("%v belongs to no operator", call)
		}
		calls = append(calls, relevanceCall{nodes[0], call, f})
		forward[name] = nodes[1:]
	}
	return calls, nil
}

// behindStops returns what is computed from what a stopping rule stands at.
func behindStops(c *passes.Context, g *ir.Graph) (map[*ir.Value]bool, error) {
	behind := map[*ir.Value]bool{}
	stops := map[string]bool{"": false} // by rule
	for n := range g.Nodes() {
		stop, known := stops[n.Rule]
		if !known {
			rule, err := c.RuleSet.Parse(n.Rule)
			if err != nil {
				return nil, err
			}
			stop = rule.Rule.Stops
			stops[n.Rule] = stop
		}
		if !stop && !slices.ContainsFunc(n.In, func(v *ir.Value) bool { return behind[v] }) {
			continue
		}
		for _, v := range n.Out {
			if v != nil {
				behind[v] = true
			}
		}
	}
	return behind, nil
}

// enter adds the sums for one relevance call.
func (l *ledger) enter(c *passes.Context, m *ir.Model, r relevanceCall, stopped map[*ir.Value]bool) error {
	n, call := r.of, r.call
	rule, err := c.RuleSet.Parse(n.Rule)
	if err != nil {
		return err
	}
	e := entry{
		of: n, formula: ir.FuncText(r.f), node: n.Name, op: n.Op.String(), layer: moduleOf(n), rule: n.Rule, at: n.RuleAt,
		strict: c.Neutral, moves: rule.Rule == rules.Move, half: n.Out[0].Type.Elem.Bits() == 16,
		constant: constantOf(n, call, stopped),
	}
	switch {
	case c.Neutral: // under which no other rule should be
	case rule.Rule.Conserves && isQuotient(n, call):
		e.cause = byQuotient
	case conserves(m, n, call, rule):
	case rule.Rule == rules.Taylor:
		e.cause = bySoftmax
	default:
		e.cause = byRule
	}
	if e.node == "" {
		e.node = n.Out[0].Name
	}
	b := m.At(m.Graph, nil)
	b.Origin = "ledger <- " + n.String()
	in, magnitude, out, spread := sum{b: b}, sum{b: b, size: true}, sum{b: b}, sum{b: b, size: true}
	arriving := make([]*ir.Value, len(n.Out))
	for i, formal := range r.f.Body.Inputs {
		if k, ok := outputOf(formal.Name); ok {
			arriving[k] = call.In[i]
			in.add(call.In[i])
			magnitude.add(call.In[i])
		}
	}
	for _, v := range call.Out {
		out.add(v)
		spread.add(v)
	}
	constants, kept := sum{b: b}, sum{b: b}
	if e.cause == "" && in.v != nil {
		a := l.account(m, b, n, call, rule, arriving)
		constants.add(a.Constants...)
		kept.add(a.Kept...)
	}
	var parts []*ir.Value
	for _, s := range []sum{in, magnitude, out, spread, constants, kept} {
		parts = append(parts, single(b, s.value(call.Out[0])))
	}
	e.sums = fmt.Sprintf("ledger:%d", len(l.entries))
	m.Graph.Outputs = append(m.Graph.Outputs, b.Named(e.sums, b.OpA("Concat", ir.Attrs{{Name: "axis", Value: int64(0)}}, parts...)))
	if err := b.Err(); err != nil {
		return err
	}
	l.entries = append(l.entries, e)
	c.Did("enter", n.String(), e.sums)
	return nil
}

// account asks the rule what n keeps of what arrives at its outputs.
func (l *ledger) account(m *ir.Model, b *ir.Builder, n, call *ir.Node, rule rules.Call, arriving []*ir.Value) rules.Account {
	flows := flowsTo(call)
	x := &rules.Context{Builder: b, Call: rule, Node: n, R: arriving, Want: make([]bool, len(n.In)), Inputs: map[string]*ir.Value{}}
	for i, v := range n.In {
		x.Want[i] = v != nil && flows[v.Name]
	}
	for _, p := range rule.Rule.Params {
		if f, free := rule.Free(p.Name); free {
			x.Inputs[p.Name] = m.Graph.Find(f.Name)
		}
	}
	return x.Account()
}

// outputOf returns the output whose relevance a formal of a relevance function is:
// R, R1, R2.
func outputOf(formal string) (int, bool) {
	digits, ok := strings.CutPrefix(formal, "R")
	if !ok || digits == "" {
		return 0, ok
	}
	k, err := strconv.Atoi(digits)
	return k, err == nil
}

// A sum adds up all elements of tensors, or their sizes.
type sum struct {
	b    *ir.Builder
	size bool
	v    *ir.Value // nil is 0
}

func (s *sum) add(vs ...*ir.Value) {
	for _, v := range vs {
		v = wide(s.b, v)
		if s.size {
			v = s.b.Op("Abs", v)
		}
		if v = total(s.b, v); s.v != nil {
			v = s.b.Add(s.v, v)
		}
		s.v = v
	}
}

// value is the sum, of the element type that sums of like have.
func (s *sum) value(like *ir.Value) *ir.Value {
	if s.v == nil {
		return s.b.Scalar(0, wide(s.b, like))
	}
	return s.v
}

// moduleOf names the layer of a node: the outermost numbered module around it, or
// else the innermost module.
func moduleOf(n *ir.Node) string {
	if layer := layerOf(n); layer != "" {
		return layer
	}
	if k := len(n.Scopes); k > 0 && !strings.HasPrefix(n.Scopes[k-1].Class, emptyModule) {
		return n.Scopes[k-1].Name
	}
	return ""
}

// conserves reports whether a rule is meant to hand on what n receives, up to what a
// constant takes. With absorbed=active an output that is made of nothing keeps it.
func conserves(m *ir.Model, n, call *ir.Node, rule rules.Call) bool {
	switch {
	case rule.KeepsNothing():
		return true
	case rule.Redistributes():
		return false
	}
	return rule.Rule.Conserves && (!rule.Rule.Linear || linearIn(m, n, call))
}

// linearIn reports whether n is linear in the inputs that relevance flows on to.
func linearIn(m *ir.Model, n, call *ir.Node) bool {
	flows := flowsTo(call)
	live := make([]bool, len(n.In))
	for i, v := range n.In {
		live[i] = v != nil && flows[v.Name]
	}
	return passes.Linear(m, n, live)
}

// flowsTo returns the names of the values that a call computes the relevance of.
func flowsTo(call *ir.Node) map[string]bool {
	flows := map[string]bool{}
	for _, r := range call.Out {
		_, name, _ := strings.Cut(r.Name, ":")
		flows[name] = true
	}
	return flows
}

// isQuotient reports whether n divides one tensor that relevance flows on to
// by another: x/y does not grow with x and y together, so that what the
// numerator receives the denominator takes away.
func isQuotient(n, call *ir.Node) bool {
	return n.Op.Name == "Div" && len(call.Out) == 2
}

// wide returns v in a type that sums can be trusted in.
func wide(b *ir.Builder, v *ir.Value) *ir.Value {
	if e := v.Type.Elem; e == ir.Float || e == ir.Double {
		return v
	}
	return b.OpA("Cast", ir.Attrs{{Name: "to", Value: int64(ir.Float)}}, v)
}

// single makes a vector of a scalar.
func single(b *ir.Builder, v *ir.Value) *ir.Value { return b.OpA("Reshape", nil, v, b.Ints(1)) }

// total sums all elements, to a scalar.
func total(b *ir.Builder, v *ir.Value) *ir.Value {
	return b.OpA("ReduceSum", ir.Attrs{{Name: "keepdims", Value: int64(0)}}, v)
}

// factors are the inputs by which operators multiply: they take no share of
// relevance, whether they are constant or not. Nil is every input.
var factors = map[string][]int{
	"Mul": nil, "Div": nil, "MatMul": nil, "Einsum": nil, "Pow": {1}, "PRelu": {1}, "Clip": {1, 2},
	"lxt.Linear": {1}, "Gemm": {1}, "Conv": {1}, "ConvTranspose": {1},
	"RMSNormalization": {1}, "LayerNormalization": {1}, "GroupNormalization": {1}, "InstanceNormalization": {1}, "BatchNormalization": {1, 4},
	"Resize": {1, 2}, "Dropout": {1},
}

// biases are the inputs of operators that are added, each of a module of its own.
var biases = map[string][]int{
	"lxt.Linear": {2}, "Gemm": {2}, "Conv": {2}, "ConvTranspose": {2},
	"LayerNormalization": {2}, "GroupNormalization": {2}, "InstanceNormalization": {2}, "BatchNormalization": {2, 3},
}

// constantOf names the constant operand that may take a share of what arrives at n:
// a bias, an operand behind a stop, or any other; "" if there is none.
func constantOf(n, call *ir.Node, stopped map[*ir.Value]bool) string {
	flows := flowsTo(call)
	multiplies, known := factors[n.Op.String()]
	if known && multiplies == nil {
		return ""
	}
	for i, v := range n.In {
		if v == nil || !v.Type.Elem.IsFloat() || flows[v.Name] || slices.Contains(multiplies, i) {
			continue
		}
		switch {
		case stopped[v]:
			return byStop
		case slices.Contains(biases[n.Op.String()], i):
			return byBias
		}
		return byConstant
	}
	return ""
}

// findInner finds the explained tensors that are computed from others: what
// flows on from them must not be counted twice.
func (l *ledger) findInner(c *passes.Context, g *ir.Graph, ruled map[*ir.Node]bool) {
	for _, v := range g.Outputs {
		name, ok := strings.CutPrefix(v.Name, "R:")
		if x := g.Find(name); ok && x != nil && x.Def != nil && ruled[x.Def] {
			l.inner = append(l.inner, v.Name)
		}
	}
}

// ledgerPipeline is the default pipeline with the ledger after relevance.
func ledgerPipeline(l *ledger) passes.Pipeline {
	p := passes.Default()
	i := slices.IndexFunc(p, func(pass passes.Pass) bool { return pass.Name == passes.Relevance.Name })
	return slices.Insert(p, i+1, l.pass())
}

// neutralPipeline is that of a model of which no operator should keep relevance.
func neutralPipeline(l *ledger) passes.Pipeline {
	p := ledgerPipeline(l)
	i := slices.IndexFunc(p, func(pass passes.Pass) bool { return pass.Name == passes.Swap.Name })
	return slices.Insert(p, i, passes.Neutral)
}

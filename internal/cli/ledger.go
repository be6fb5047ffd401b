package cli

import (
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/lxtc/lxtc/ir"
	"github.com/lxtc/lxtc/passes"
	"github.com/lxtc/lxtc/rules"
)

// ledger is the books of relevance: what every operator received and handed
// on. Its pass adds the sums to the graph, so that any backend keeps them.
type ledger struct {
	entries []entry
	seeds   []string // outputs of the graph that hold the sum of a seed, and its Σ|R|
	inner   []string // explained tensors whose relevance flows on to another one
}

// entry is one operator of the model that relevance went through.
type entry struct {
	of        *ir.Node
	node, op  string
	rule, at  string
	formula   string // the body of the relevance function, as text
	sums      string // the output of the graph that holds in, Σ|in|, out and Σ|out|
	conserves bool   // the rule is meant to hand on what it receives
	shares    bool   // and what a constant takes as well
	quotient  bool   // but cannot, for n is x/y and relevance flows on to both
	half      bool   // half floats: sums are as inexact as they are
	constant  string // an operand that is constant and takes a share; "" for none
}

// account is an entry, or several summed, with its numbers.
type account struct {
	Op        string `json:"op"`
	Rule      string `json:"rule"`
	At        string `json:"at"`
	Count     int    `json:"count"`
	In        figure `json:"in"`
	Magnitude figure `json:"magnitude"` // Σ|R| that arrives
	Out       figure `json:"out"`
	Spread    figure `json:"spread"` // Σ|R| that is handed on
	Absorbed  figure `json:"absorbed"`
	Why       string `json:"why"` // who may absorb: "rule", "constant", "quotient", or "" for nobody
}

const (
	byRule     = "rule"
	byConstant = "constant"
	byQuotient = "quotient" // x/y does not grow with x and y together
)

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
	ruled := map[*ir.Node]bool{}
	for _, r := range calls {
		ruled[r.of] = true
		if err := l.enter(c, m, r.of, r.call, r.f); err != nil {
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

// enter adds the sums for one relevance call.
func (l *ledger) enter(c *passes.Context, m *ir.Model, n, call *ir.Node, f *ir.Func) error {
	rule, err := c.RuleSet.Parse(n.Rule)
	if err != nil {
		return err
	}
	e := entry{
		of: n, formula: ir.FuncText(f), node: n.Name, op: n.Op.String(), rule: n.Rule, at: n.RuleAt,
		conserves: conserves(m, n, call, rule) || c.Neutral, // under which no other rule should be
		shares:    rule.KeepsNothing(),
		quotient:  rule.Rule.Conserves && isQuotient(n, call) && !c.Neutral,
		half:      n.Out[0].Type.Elem.Bits() == 16,
		constant:  shareholder(n, call),
	}
	if e.node == "" {
		e.node = n.Out[0].Name
	}
	b := m.At(m.Graph, nil)
	b.Origin = "ledger <- " + n.String()
	var in, magnitude, out, spread *ir.Value
	add := func(sum, v *ir.Value) *ir.Value {
		if sum == nil {
			return v
		}
		return b.Add(sum, v)
	}
	for i, formal := range f.Body.Inputs {
		if strings.HasPrefix(formal.Name, "R") {
			r := wide(b, call.In[i])
			in, magnitude = add(in, total(b, r)), add(magnitude, total(b, b.Op("Abs", r)))
		}
	}
	for _, r := range call.Out {
		r = wide(b, r)
		out, spread = add(out, total(b, r)), add(spread, total(b, b.Op("Abs", r)))
	}
	if in == nil { // the rule does not even read what arrives
		in = b.Scalar(0, out)
		magnitude = in
	}
	sums := b.OpA("Concat", ir.Attrs{{Name: "axis", Value: int64(0)}}, single(b, in), single(b, magnitude), single(b, out), single(b, spread))
	e.sums = fmt.Sprintf("ledger:%d", len(l.entries))
	m.Graph.Outputs = append(m.Graph.Outputs, b.Named(e.sums, sums))
	if err := b.Err(); err != nil {
		return err
	}
	l.entries = append(l.entries, e)
	c.Did("enter", n.String(), e.sums)
	return nil
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
	"RMSNormalization": {1}, "LayerNormalization": {1}, "GroupNormalization": {1}, "InstanceNormalization": {1},
	"Resize": {1, 2}, "Dropout": {1},
}

// shareholder returns a floating point operand that no relevance flows on from
// but that takes a share of it, such as a bias; "" if there is none.
func shareholder(n, call *ir.Node) string {
	flows := flowsTo(call)
	multiplies, known := factors[n.Op.String()]
	if known && multiplies == nil {
		return ""
	}
	for i, v := range n.In {
		if v != nil && v.Type.Elem.IsFloat() && !flows[v.Name] && !slices.Contains(multiplies, i) {
			return v.Name
		}
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

// accounts reads the numbers of a run, operators of one kind and rule summed,
// in the order in which relevance reaches them.
func (l *ledger) accounts(out map[string]*ir.Tensor) ([]account, error) {
	var order []*account
	byKind := map[string]*account{}
	for _, e := range l.entries {
		x, err := numbers(out[e.sums])
		if err != nil {
			return nil, fmt.Errorf("%s: %w", e.sums, err)
		}
		a := account{Op: e.op, Rule: e.rule, At: e.at, Why: e.why()}
		key := a.Op + "\n" + a.Rule + "\n" + a.Why
		if byKind[key] == nil {
			byKind[key] = &a
			order = append(order, &a)
		}
		sum := byKind[key]
		sum.Count++
		in, magnitude, handedOn := figure(x[0]), figure(x[1]), figure(x[2])
		sum.In, sum.Magnitude, sum.Out, sum.Spread = sum.In+in, sum.Magnitude+magnitude, sum.Out+handedOn, sum.Spread+figure(x[3])
		sum.Absorbed += in - handedOn
	}
	all := make([]account, len(order))
	for i, a := range order {
		all[i] = *a
	}
	return all, nil
}

// why says who may keep relevance at an operator.
func (e entry) why() string {
	switch {
	case e.quotient:
		return byQuotient
	case !e.conserves:
		return byRule
	case e.constant != "" && !e.shares:
		return byConstant
	}
	return ""
}

// tolerance is the share of relevance that may get lost: the given one or, if
// that is 0, what rounding and stabilizers take.
func (e entry) tolerance(share float64) float64 {
	switch {
	case share > 0:
		return share
	case e.half:
		return closesHalf
	}
	return closesFloat
}

// tolerance is the largest of all entries, for sums over the whole model.
func (l *ledger) tolerance(share float64) float64 {
	most := entry{}.tolerance(share)
	for _, e := range l.entries {
		most = max(most, e.tolerance(share))
	}
	return most
}

// leaks returns the operators that lose relevance although neither their rule
// nor a constant operand explains it: more than a share of what arrives.
func (l *ledger) leaks(out map[string]*ir.Tensor, share float64) ([]leak, error) {
	var ls []leak
	for _, e := range l.entries {
		x, err := numbers(out[e.sums])
		if err != nil {
			return nil, err
		}
		lost := x[0] - x[2]
		if e.why() == "" && !(math.Abs(lost) <= e.tolerance(share)*x[1]) { // NaN is a leak as well
			ls = append(ls, leak{Node: e.node, Op: e.op, Rule: e.rule, Lost: figure(lost), Magnitude: figure(x[1])})
		}
	}
	return ls, nil
}

// leak is an operator that loses relevance.
type leak struct {
	Node      string `json:"node"`
	Op        string `json:"op"`
	Rule      string `json:"rule"`
	Lost      figure `json:"lost"`
	Magnitude figure `json:"magnitude"`
}

// seeded returns the relevance that the run started with, and its Σ|R|.
func (l *ledger) seeded(out map[string]*ir.Tensor) (sum, size figure, err error) {
	for _, name := range l.seeds {
		x, err := numbers(out[name])
		if err != nil {
			return 0, 0, err
		}
		sum, size = sum+figure(x[0]), size+figure(x[1])
	}
	return sum, size, nil
}

func numbers(t *ir.Tensor) ([]float64, error) {
	if t == nil {
		return nil, fmt.Errorf("it was not computed")
	}
	return t.Float64s()
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

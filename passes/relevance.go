package passes

import (
	"fmt"
	"slices"
	"strings"

	"github.com/lxtc/lxtc/internal/diag"
	"github.com/lxtc/lxtc/ir"
	"github.com/lxtc/lxtc/rules"
)

// Relevance adds, for every explained tensor, the relevance that flows back to
// it from the seeds.
var Relevance = Pass{
	Name: "relevance",
	Doc: "add the nodes that carry relevance back\n\n" +
		"The forward nodes stay as they are. For each one on the way there is one call more, of a function in domain lxt whose body is the rule's formula for that operator in ONNX operators. " +
		"Functions of equal text are one.",
	After: []string{"swap", "seed"},
	Run:   relevance,
}

func relevance(c *Context, m *ir.Model) error {
	sources, targets, err := c.ends(m)
	if err != nil {
		return err
	}
	w := &walk{
		c: c, m: m, arrives: map[*ir.Value]*ir.Value{}, parts: map[*ir.Value]int{}, funcs: map[string]ir.OpName{}, lossy: map[*rules.Rule]bool{},
		free: map[string]*ir.Value{}, signs: map[*ir.Value]bool{},
	}
	if err := w.bindings(); err != nil {
		return err
	}
	if w.conditions, err = c.conditions(m); err != nil {
		return err
	}
	stopped := func(n *ir.Node) bool {
		call, bound := w.rules[n]
		return bound && call.Rule.Stops || !bound
	}
	w.flows = forward(m, sources, stopped)
	forwardNodes := slices.Collect(m.Graph.Nodes())
	seeds := map[*ir.Value]*ir.Value{}
	for _, v := range targets {
		if seeds[v] = m.Graph.Find(seedName(v.Name)); seeds[v] == nil {
			return fmt.Errorf("no seed for output %s", v.Name)
		}
	}
	if err := w.travel(forwardNodes, targets, seeds, sources, stopped); err != nil {
		return err
	}
	if err := w.misfits.err(); err != nil {
		return err
	}
	if err := w.unmet(); err != nil {
		return err
	}
	if err := w.reached(sources, targets); err != nil {
		return err
	}
	w.unusedFree()
	for i, v := range sources {
		name := sourceName(v)
		if len(c.Explain) > 0 {
			name = c.Explain[i]
		}
		if err := w.output(name, v); err != nil {
			return err
		}
	}
	return nil
}

// reached fails if relevance reaches no explained tensor at all: a picture of
// nothing is worse than none. Some of several may get none.
func (w *walk) reached(sources, targets []*ir.Value) error {
	if w.c.Allow || slices.ContainsFunc(sources, func(v *ir.Value) bool { return w.arrives[v] != nil }) {
		return nil
	}
	e := diag.Errorf("LX3005", "no relevance reaches %s", strings.Join(w.c.report.Explained, ", ")).In(w.m.File)
	depends, used := reach{}, backward(w.m, targets)
	for _, v := range sources {
		depends[v] = true
	}
	for n := range w.m.Graph.Nodes() {
		if !depends.any(n.In) {
			continue
		}
		for _, v := range n.Out {
			if v != nil {
				depends[v] = true
			}
		}
		switch {
		case !used.any(n.Out):
		case !differentiable(w.m, n):
			e.Detail("%v has no derivative: what it computes counts as constant", n)
		case w.rules[n].Rule != nil && w.rules[n].Rule.Stops:
			e.Detail("%v: %s stops it (%s)", n, n.Rule, n.RuleAt)
		}
		if len(e.Trail) == 8 {
			break
		}
	}
	if len(e.Trail) == 0 {
		e.Detail("the target does not depend on it")
	}
	return e.Help("explain a tensor behind those operators (--explain), or use another rule map; --allow-missing goes on, with relevance 0")
}

type walk struct {
	c          *Context
	m          *ir.Model
	rules      map[*ir.Node]rules.Call
	flows      reach
	towards    reach                   // where relevance may go; nil is everywhere
	arrives    map[*ir.Value]*ir.Value // relevance, or gradient, so far
	parts      map[*ir.Value]int       // how many were summed
	funcs      map[string]ir.OpName    // by text
	lossy      map[*rules.Rule]bool    // the user was warned of
	misfits    refusals                // nodes whose rules do not fit them
	free       map[string]*ir.Value    // free parameters, which are inputs of the graph, by name
	conditions map[*ir.Value][]Condition
	met        map[*ir.Value]bool // conditions that relevance came to
	signs      map[*ir.Value]bool // whether a value is known to hold nothing below zero
}

// bindings reads the rules that swap bound to nodes.
func (w *walk) bindings() error {
	w.rules = map[*ir.Node]rules.Call{}
	parsed := map[string]rules.Call{}
	for n := range w.m.Graph.Nodes() {
		if n.Rule == "" {
			continue
		}
		call, ok := parsed[n.Rule]
		if !ok {
			var err error
			if call, err = w.c.RuleSet.Parse(n.Rule); err != nil {
				return fmt.Errorf("%v: %w", n, err)
			}
			parsed[n.Rule] = call
		}
		w.rules[n] = call
	}
	return nil
}

// parameter returns the input of the graph that is a free parameter.
func (w *walk) parameter(f rules.Free) *ir.Value {
	v := w.free[f.Name]
	if i := slices.IndexFunc(w.m.Graph.Inputs, func(v *ir.Value) bool { return v.Name == f.Name }); v == nil && i >= 0 {
		v = w.m.Graph.Inputs[i] // of a model that was rewritten before
	}
	if v == nil {
		v = w.m.Graph.Input(f.Name, f.Type())
	}
	w.free[f.Name] = v
	if t := f.Value(); t != nil {
		v.Default = t
	}
	return v
}

// unusedFree warns of free parameters that nothing reads although runs have to
// give them.
func (w *walk) unusedFree() {
	for _, f := range w.c.Rules.Free() {
		if w.free[f.Name] == nil && f.Default == nil {
			w.c.Warn("free parameter %s has no effect: no formula in %v form reads it", f.Name, w.c.Form)
		}
	}
}

// node adds what flows back through n, if anything arrives.
func (w *walk) node(n *ir.Node) error {
	if !slices.ContainsFunc(n.Out, func(v *ir.Value) bool { return v != nil && w.arrives[v] != nil }) {
		return nil
	}
	rule, bound := w.rules[n]
	if !bound || rule.Rule.Stops {
		return nil
	}
	if !w.flows.any(n.In) || w.towards != nil && !w.towards.any(n.In) {
		return nil
	}
	live := len(slices.DeleteFunc(slices.Clone(n.In), func(v *ir.Value) bool { return !w.flows[v] }))
	if rule.AtZero(n.Op, live) && w.c.Form == GradientForm && !w.lossy[rule.Rule] {
		w.lossy[rule.Rule] = true
		way := "use explicit form"
		if rule.KeepsNothing() && !rule.Rule.AtZero {
			way = "use absorbed=active, or explicit form"
		}
		w.c.Warn("rule %s gives relevance to inputs that are 0, which gradient form loses: %s", rule.Rule.Name, way)
	}
	call, to, converted, err := w.call(n, rule)
	if err != nil {
		o := describe(n)
		w.misfits.add(diag.Errorf("LX3002", "rule %s (%s): %w", rule, n.RuleAt, err).In(w.m.File).At(o.Node, o.Op).
			Help("give the operator another rule in a rule map"), fmt.Sprintf("rule %s (%s) does not fit", rule, n.RuleAt))
		return nil
	}
	for k, i := range to {
		if w.towards == nil || w.towards[n.In[i]] {
			w.add(n.In[i], call.Out[k])
		}
	}
	if converted {
		w.c.report.convert(n)
	}
	w.c.Did(rule.String(), n.String(), call.Op.String())
	return nil
}

// guarded returns v, an input or result of n, but of a softmax's result 0 where it is
// NaN, if the model guards against that: over nothing but padding a softmax is 0/0,
// which the model replaces by 0, and no relevance arrives there. But 0·NaN is NaN.
func (w *walk) guarded(n *ir.Node, v *ir.Value) *ir.Value {
	if n.Op.String() != "Softmax" || v != n.Out[0] {
		return v
	}
	for _, u := range v.Uses() {
		if u.Node.Op.String() != "IsNaN" {
			continue
		}
		nan := u.Node.Out[0]
		if slices.ContainsFunc(nan.Uses(), func(u ir.Use) bool { return u.Node.Op.String() == "Where" }) {
			b := w.m.At(w.m.Graph, nil)
			b.Origin = "relevance/guard <- " + n.String()
			return b.Op("Where", nan, b.Scalar(0, v), v)
		}
	}
	return v
}

// add sums what arrives at v.
func (w *walk) add(v, r *ir.Value) {
	b := w.m.At(w.m.Graph, nil)
	w.parts[v]++
	b.Named(fmt.Sprintf("%s%d:%s", w.letter(), w.parts[v], v.Name), r)
	if prev := w.arrives[v]; prev != nil {
		b.Origin = "relevance/sum <- " + v.Name
		sum := b.Add(prev, r)
		sum.Type = v.Type
		r = sum
	}
	w.arrives[v] = r
}

func (w *walk) letter() string {
	if w.c.Form == ExplicitForm {
		return "R"
	}
	return "G"
}

// call adds a call of the function that is rule for n, making the function if
// there is none of the same text. It returns the call and, for each of its
// outputs, the input of n whose relevance that is; and whether the rule was
// converted.
func (w *walk) call(n *ir.Node, rule rules.Call) (call *ir.Node, to []int, converted bool, err error) {
	f := w.formula(n, rule)
	if err := f.ctx.Err(); err != nil {
		return nil, nil, false, err
	}
	fn := &ir.Func{Body: f.body, Attrs: f.attrs, Doc: rule.Rule.Title()}
	text := strings.Join(f.attrs, ",") + ir.FuncText(fn)
	key := w.functionName(n, rule) + "\n" + text
	name, known := w.funcs[key]
	if !known {
		name = w.fresh(w.functionName(n, rule))
		w.funcs[key] = name
		fn.Op = name
		w.m.AddFunc(fn, relevanceOp(name, len(f.args), len(f.to)))
	}
	b := w.m.At(w.m.Graph, nil)
	b.Origin, b.Scopes = fmt.Sprintf("relevance/%s <- %s", rule.Rule.Name, n), n.Scopes
	var attrs ir.Attrs
	for _, a := range f.attrs {
		attrs = append(attrs, ir.Attr{Name: a, Value: rule.Attr(a)})
	}
	call = b.Node(name, attrs, f.args...)
	if err := b.Err(); err != nil {
		return nil, nil, false, err
	}
	for k, i := range f.to {
		call.Out[k].Type = n.In[i].Type
	}
	return call, f.to, f.ctx.Converted(), nil
}

func (w *walk) functionName(n *ir.Node, rule rules.Call) string {
	var sb strings.Builder
	for part := range strings.SplitSeq(rule.Rule.Name, "-") {
		sb.WriteString(strings.ToUpper(part[:1]) + part[1:])
	}
	sb.WriteString("_" + n.Op.Name)
	if w.c.Form == GradientForm {
		sb.WriteString("_grad")
	}
	return sb.String()
}

func (w *walk) fresh(base string) ir.OpName {
	name := ir.OpName{Domain: "lxt", Name: base}
	for i := 2; w.m.Ops.Lookup(name) != nil; i++ {
		name.Name = fmt.Sprintf("%s_%d", base, i)
	}
	return name
}

// relevanceOp is the operator of a relevance function. Its outputs have the
// types of the forward values that they belong to; the walk sets them.
func relevanceOp(name ir.OpName, in, out int) *ir.Op {
	params := func(letter string, n int) []ir.Param {
		ps := make([]ir.Param, n)
		for i := range ps {
			ps[i] = ir.Param{Name: fmt.Sprintf("%s%d", letter, i)}
		}
		return ps
	}
	return &ir.Op{
		Name: name, Since: 1, Doc: "relevance of a forward operator",
		In: params("x", in), Out: params("r", out),
		Infer: func(n *ir.Node) ([]ir.Type, error) {
			ts := make([]ir.Type, out)
			for i, v := range n.Out {
				if v != nil && i < out {
					ts[i] = v.Type
				}
			}
			return ts, nil
		},
	}
}

// output makes the relevance of v an output of the graph, under the given
// name.
func (w *walk) output(name string, v *ir.Value) error {
	b := w.m.At(w.m.Graph, nil)
	b.Origin = "relevance/output <- " + name
	r := w.arrives[v]
	switch {
	case r == nil:
		w.c.Warn("no relevance reaches %s: it is 0", name)
		zero, err := ir.Scalar(v.Type.Elem, 0)
		if err != nil {
			return err
		}
		zero.Shape = []int{1}
		r = b.OpA("ConstantOfShape", ir.Attrs{{Name: "value", Value: zero}}, b.Op("Shape", v))
	case w.c.Form == GradientForm && !w.plain():
		r = b.Mul(v, r)
	default:
		r = b.Op("Identity", r) // a name of its own
	}
	if b.Err() == nil {
		r.Type = v.Type
	}
	letter := "R:"
	if w.plain() {
		letter = "G:"
	}
	b.Named(letter+name, r)
	w.m.Graph.Outputs = append(w.m.Graph.Outputs, r)
	if w.c.Sums {
		if s := perPosition(b, r); s != nil {
			b.Named("R.sum:"+name, s)
			w.m.Graph.Outputs = append(w.m.Graph.Outputs, s)
		}
	}
	if err := b.Err(); err != nil {
		return err
	}
	w.c.Did("output", v.Name, r.Name)
	return nil
}

// plain reports whether gradients are wanted instead of relevance.
func (w *walk) plain() bool { return w.c.Gradients && w.c.Form == GradientForm }

// perPosition sums relevance over features: the last axis of [batch, token,
// feature], the channels of [batch, channel, height, width].
func perPosition(b *ir.Builder, r *ir.Value) *ir.Value {
	axis := map[int]int64{3: 2, 4: 1}[r.Type.Rank()]
	if axis == 0 {
		return nil
	}
	return b.OpA("ReduceSum", ir.Attrs{{Name: "keepdims", Value: int64(0)}}, r, b.Ints(axis))
}

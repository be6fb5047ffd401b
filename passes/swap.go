package passes

import (
	"fmt"
	"slices"
	"strings"

	"github.com/lxtc/lxtc/internal/diag"
	"github.com/lxtc/lxtc/ir"
	"github.com/lxtc/lxtc/rules"
)

// Swap binds each operator on the way from an explained tensor to a target to
// its LRP-compatible equivalent: the same operator forward, with a relevance
// rule of its own. The rule map decides.
var Swap = Pass{
	Name: "swap",
	Doc: "bind every operator on the way to its relevance rule\n\n" +
		"An operator and its rule are what torch.autograd.Function is to LXT: a pair of a forward computation and a relevance propagation. " +
		"The pair can be dumped and saved before relevance expands it.",
	After: []string{"fold", "canonical", "recognize", "target"},
	Run:   swap,
}

// linearOps are what "first" and "last" in a rule map count.
var linearOps = []string{"Conv", "ConvTranspose", "Gemm", "MatMul", "lxt.Linear"}

func swap(c *Context, m *ir.Model) error {
	sources, targets, err := c.ends(m)
	if err != nil {
		return err
	}
	c.idleLines(m)
	c.report.Explained, c.report.Operators = nil, nil // a model may be swapped again
	for _, v := range sources {
		c.report.Explained = append(c.report.Explained, sourceName(v))
	}
	b := &binder{c: c, m: m, depends: forward(m, sources, nil), flows: reach{}, used: backward(m, targets), stops: map[*ir.Node]bool{}, lines: map[*ir.Node]*rules.Line{}}
	for _, v := range sources {
		b.flows[v] = true
	}
	b.findEnds()
	for n := range m.Graph.Nodes() {
		b.bind(n)
	}
	b.dropUnreached(targets)
	if err := b.fitLinear(); err != nil {
		return err
	}
	var missing []*ir.Node
	i := 0
	for n := range m.Graph.Nodes() {
		switch o := &c.report.Operators[i]; {
		case o.Rule != "":
			c.Did(o.Rule, n.String(), o.At)
		case o.Live:
			missing = append(missing, n)
		}
		i++
	}
	if len(missing) > 0 {
		err := c.noRule(m, missing)
		if !c.Allow {
			return err
		}
		c.Warn("%s", err.Error())
	}
	return nil
}

// idleLines warns of lines of the rule map that match nothing in any model, most
// likely for a slip of the pen.
func (c *Context) idleLines(m *ir.Model) {
	known := map[string]bool{"*": true}
	var names []string
	for _, op := range m.Ops.All() {
		names = append(names, op.Name.String())
		known[op.Name.String()] = true
	}
	for n := range m.Graph.Nodes() {
		known[n.Op.String()] = true
	}
	counted := append([]string{"*"}, linearOps...)
	for i, l := range c.Rules.Lines {
		for _, op := range l.Ops {
			if !known[op] {
				c.Warn("%s: no operator is called %s%s", l.Pos, op, diag.DidYouMean(op, names))
			}
		}
		if j := c.Rules.Covered(i); j >= 0 {
			c.Warn("%s: the line has no effect: whatever it matches, %s matches before", l.Pos, c.Rules.Lines[j].Pos)
		}
		for _, cond := range l.If {
			if (cond.Text == "first" || cond.Text == "last") && !slices.ContainsFunc(l.Ops, func(op string) bool { return slices.Contains(counted, op) }) {
				c.Warn("%s: `%s` holds for no %s: it is for %s", l.Pos, cond.Text, strings.Join(l.Ops, ", "), strings.Join(linearOps, ", "))
			}
		}
	}
}

type binder struct {
	c           *Context
	m           *ir.Model
	depends     reach // on a source, whatever the rules
	flows       reach // likewise, by ways that no stopping rule cuts
	used        reach // by a target
	stops       map[*ir.Node]bool
	first, last map[*ir.Node]bool
	lines       map[*ir.Node]*rules.Line // of nodes whose rule passes something on
}

// findEnds finds the linear operators on the way between which and what is explained,
// or the target, there is no other. There are several where ways part: queries, keys
// and values; a shortcut around the first block; two towers.
func (b *binder) findEnds() {
	b.first, b.last = map[*ir.Node]bool{}, map[*ir.Node]bool{}
	linear := func(n *ir.Node) bool {
		return slices.Contains(linearOps, n.Op.String()) && b.depends.any(n.In) && b.used.any(n.Out)
	}
	behind, before := reach{}, reach{} // a linear operator
	for n := range b.m.Graph.Nodes() {
		is, after := linear(n), behind.any(append(n.Captured(), n.In...))
		b.first[n] = is && !after
		if is || after {
			behind.mark(n)
		}
	}
	for n := range b.m.Graph.Backward() {
		is, ahead := linear(n), before.any(n.Out)
		b.last[n] = is && !ahead
		if is || ahead {
			for _, v := range append(n.Captured(), n.In...) {
				if v != nil && b.depends[v] {
					before[v] = true
				}
			}
		}
	}
}

// bind gives n its rule and reports what became of it.
func (b *binder) bind(n *ir.Node) {
	o := describe(n)
	defer func() { b.c.report.Operators = append(b.c.report.Operators, o) }()
	reads := append(n.Captured(), n.In...)
	switch {
	case !b.used.any(n.Out):
		o.Why = "not on the way to a target"
		return
	case !b.depends.any(reads):
		o.Why = "not on the way from an explained tensor"
		return
	case !b.flows.any(reads):
		o.Why = "behind an operator whose rule stops relevance"
		return
	case !differentiable(b.m, n) && severs(b.m, n) == "":
		o.Why = "its output is not floating point, it counts as constant"
		if slices.ContainsFunc(n.Out, func(v *ir.Value) bool { return v != nil && v.Type.Elem.IsFloat() }) {
			o.Why = "has no derivative, its output counts as constant"
		}
		return
	}
	o.Live = true
	line := b.line(n)
	switch why := severs(b.m, n); {
	case why != "" && (line == nil || !line.Call.Rule.Stops):
		o.Why = why
		return
	case line == nil:
		o.Why = fmt.Sprintf("no line of %s matches", b.c.Rules.Name)
		return
	}
	call := line.Call
	if b.c.Neutral {
		call = b.neutral(n, call)
	}
	n.Rule, n.RuleAt = call.String(), line.Pos
	o.Rule, o.At = n.Rule, n.RuleAt
	if call.Rule.Stops {
		b.stops[n] = true
		return
	}
	b.flows.mark(n)
	if !b.c.Neutral {
		b.lines[n] = line
	}
}

// line returns the line of the rule map that is for n, or nil.
func (b *binder) line(n *ir.Node) *rules.Line {
	return b.c.Rules.Lookup(rules.Subject{
		Node:    n,
		Flows:   func(v *ir.Value) bool { return b.flows[v] },
		Depends: func(v *ir.Value) bool { return b.depends[v] },
		First:   b.first[n],
		Last:    b.last[n],
	})
}

// severs says why relevance cannot pass n although n's result is no constant to
// it; "" if it can, or if the result is one. Only a rule that stops may stand
// there.
func severs(m *ir.Model, n *ir.Node) string {
	switch n.Op.String() {
	case "QuantizeLinear", "DynamicQuantizeLinear":
		if n.Out[0].NumUses() > 0 { // a scale is no activation
			return "quantizes what depends on an explained tensor, and has no derivative"
		}
	}
	if op := m.Ops.Lookup(n.Op); op == nil || op.Opaque {
		return "operator is not known"
	}
	return ""
}

// dropUnreached takes the rules from nodes that relevance does not reach, for
// every way from them to a target is stopped before. The stops themselves stay.
func (b *binder) dropUnreached(targets []*ir.Value) {
	reached, open := reach{}, reach{} // open is reached through integers, too
	for _, v := range targets {
		reached[v], open[v] = true, true
	}
	i := len(b.c.report.Operators)
	for n := range b.m.Graph.Backward() {
		i--
		o := &b.c.report.Operators[i]
		behind := !b.flows.any(n.In) && b.depends.any(n.In) // a stop
		isOpen := open.any(n.Out)
		if isOpen && !b.stops[n] {
			for _, v := range n.In {
				open[v] = true
			}
		}
		switch {
		case isOpen && severs(b.m, n) != "":
		case o.Live && !reached.any(n.Out):
			n.Rule, n.RuleAt, o.Rule, o.At = "", "", "", ""
			o.Live, o.Why = false, "every way from it to a target is stopped"
		case reached.any(n.Out) && !b.stops[n] && (o.Rule != "" || behind):
			for _, v := range n.In {
				if v != nil && b.depends[v] {
					reached[v] = true
				}
			}
		}
	}
}

func describe(n *ir.Node) Operator {
	o := Operator{Node: n.Name, Op: n.Op.String(), Role: n.Role, Origin: recognizedBy(n.Origin)}
	if o.Node == "" && len(n.Out) > 0 && n.Out[0] != nil {
		o.Node = n.Out[0].Name
	}
	if s, ok := n.Scope(); ok {
		o.Scope, o.Class = s.Name, s.Class
	} else if k := len(n.Scopes); k > 0 {
		o.Scope = n.Scopes[k-1].Name
	}
	return o
}

// recognizedBy returns the pattern in an origin such as
// "recognize/rmsnorm <- Mul[...]".
func recognizedBy(origin string) string {
	rest, ok := strings.CutPrefix(origin, "recognize/")
	if !ok {
		return ""
	}
	name, _, _ := strings.Cut(rest, " ")
	return name
}

// whole says why expand left a fused operator as it is; "" if it did not.
func (c *Context) whole(n *ir.Node) string {
	for _, s := range c.skipped(Expand) {
		if s.From == n.String() {
			return s.Why
		}
	}
	return ""
}

// skipped returns what a pass left alone.
func (c *Context) skipped(p Pass) []Skip {
	for _, step := range c.report.Steps {
		if step.Pass == p.Name {
			return step.Skipped
		}
	}
	return nil
}

// noRule is the error for live operators that no line matches, all of them at
// once.
func (c *Context) noRule(m *ir.Model, missing []*ir.Node) error {
	count, example := map[string]int{}, map[string]string{}
	var order []string
	for _, n := range missing {
		op := n.Op.String()
		if count[op]++; count[op] == 1 {
			order, example[op] = append(order, op), describe(n).Node
		}
	}
	n := missing[0]
	o := describe(n)
	e := diag.Errorf("LX3001", "no rule in %s for operator %s", c.Rules.Name, n.Op).In(m.File).At(o.Node, o.Op)
	e.Detail("it lies on the way from %s to the target", strings.Join(c.report.Explained, ", "))
	for _, op := range order {
		e.Detail("%s: %d nodes without a rule, for instance %s", op, count[op], example[op])
	}
	if why := c.whole(n); why != "" {
		return e.Detail("its parts have rules, but %s", why).
			Help("give its sizes (lxtc rewrite --size NAME=N; onnx.Sizes in Go), or export the model with fixed ones, or use --allow-missing to let nothing flow there")
	}
	if severs(m, n) != "" {
		for _, s := range c.skipped(Dequantize) {
			e.Detail("%s: %s", s.From, s.Why)
		}
		return e.Help("relevance cannot pass it: add the line `%s => stop` %s, or use --allow-missing to let nothing flow there", n.Op, c.Rules.ToAdd())
	}
	return e.Help("add a line such as `%s => identity` or `%s => stop` %s, or use --allow-missing to let nothing flow there", n.Op, n.Op, c.Rules.ToAdd())
}

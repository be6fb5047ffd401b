package cli

import (
	"bytes"
	"context"
	"fmt"
	"path/filepath"
	"slices"
	"strings"

	"github.com/lxtc/lxtc/internal/view"
	"github.com/lxtc/lxtc/ir"
	"github.com/lxtc/lxtc/passes"
	"github.com/lxtc/lxtc/rules"
	"github.com/spf13/cobra"
)

// viewing is the flags of `lxtc view`.
type viewing struct {
	source
	recipe
	engine
	out string
}

func (a *app) viewCommand() *cobra.Command {
	var w viewing
	c := &cobra.Command{
		Use:   "view [MODEL]",
		Short: "draw the graph and its relevance as a page to click through",
		Long: `View writes one HTML page that needs nothing else. The operators of the model
are on the left, in their order, with rails for the tensors between them; what
relevance does at each is on the right, coloured by rule. A click on an operator
shows what it was recognised as, the line of the rule map that gave it its rule,
and the formula. With an input to run on, it also shows how much relevance came,
went on and was absorbed there and in every layer, by its cause, in explicit form.
Layers of large models are folded; FILE.html#NODE opens at a node.`,
		Example: `  lxtc view -o tinylm.html
  lxtc view resnet.onnx -r epsilon-plus
  lxtc view MODEL --text "Paris is in" -o graph.html`,
		Args: atMostOne,
		RunE: a.run(func(ctx context.Context, args []string) error { return a.view(ctx, w, args) }),
	}
	w.source.flags(c)
	w.recipe.flags(c)
	w.engine.flags(c)
	c.Flags().Lookup("form").Hidden = true // as in check
	c.Flags().StringVarP(&w.out, "output", "o", "", "`FILE`.html to write (default: the model's name and .view.html)")
	return c
}

func (a *app) view(ctx context.Context, w viewing, args []string) error {
	if _, err := endingOf(w.out, "html"); err != nil {
		return err
	}
	j, err := a.begin(args, w.recipe, w.engine)
	if err != nil {
		return err
	}
	s := j.model
	defer s.Close()
	run := w.text != "" || w.image != "" || w.input != "" || s.prompt != ""
	if run {
		err = a.complete(j, w.source, w.recipe)
	} else {
		err = w.resolve(s, dims{}, &j.opt)
	}
	if err != nil {
		return err
	}
	d := &dissection{rules: j.opt.Rules}
	out, rep, err := a.dissect(ctx, j, w.engine, d, run)
	if err != nil {
		return err
	}
	page := view.Page{
		Model: s.name, Map: rep.Rules, Form: rep.Form, Target: strings.Join(rep.Targets, " + "),
		Explained: strings.Join(rep.Explained, ", "), Run: run, Rules: map[string]string{},
	}
	d.rows(&page, rep)
	if run {
		if err := d.numbers(&page, out); err != nil {
			return err
		}
	}
	var buf bytes.Buffer
	if err := view.Write(&buf, page); err != nil {
		return err
	}
	path := w.out
	if path == "" {
		path = strings.TrimSuffix(s.name, filepath.Ext(s.name)) + ".view.html"
	}
	if err := a.writeBytes(path, buf.Bytes()); err != nil {
		return err
	}
	if path != "-" && !a.quiet {
		fmt.Fprintf(a.stderr, "%s: %d operators, %d with a rule\n", path, len(page.Rows), len(d.ledger.entries))
	}
	return nil
}

// dissect rewrites the model, in explicit form and with the ledger, and runs
// it if there is something to run it on.
func (a *app) dissect(ctx context.Context, j *job, e engine, d *dissection, run bool) (map[string]*ir.Tensor, *passes.Report, error) {
	p := a.progress()
	defer p.end()
	pipeline := ledgerPipeline(&d.ledger)
	at := slices.IndexFunc(pipeline, func(p passes.Pass) bool { return p.Name == passes.Swap.Name })
	pipeline = slices.Insert(pipeline, at+1, d.pass())
	m := j.model.IR().Clone()
	po := j.opt.Passes()
	po.Form, po.Supports = passes.ExplicitForm, j.backend.Supports
	rep, err := pipeline.Run(ctx, m, po, passes.Driver{})
	a.afterRewrite(rep)
	if err != nil || !run {
		return nil, rep, err
	}
	running := a.running(e.threads)
	running.Progress = p.tick
	out, err := a.execute(ctx, j.backend, m, running, j.feed.tensors)
	return out, rep, err
}

// dissection remembers the operators of the model as swap saw them.
type dissection struct {
	rules  *rules.Map
	ledger ledger
	nodes  []*ir.Node
	in     [][]view.Arg
	out    [][]view.Arg
}

// pass returns the pass that remembers; it changes nothing.
func (d *dissection) pass() passes.Pass {
	return passes.Pass{
		Name: "view", Doc: "remember the operators for a page", After: []string{"swap"},
		Run: func(_ *passes.Context, m *ir.Model) error {
			row := map[*ir.Node]int{}
			for n := range m.Graph.Nodes() {
				row[n] = len(d.nodes)
				d.nodes = append(d.nodes, n)
				d.in = append(d.in, argsOf(n.In, row))
				d.out = append(d.out, argsOf(n.Out, nil))
			}
			return nil
		},
	}
}

func argsOf(vs []*ir.Value, row map[*ir.Node]int) []view.Arg {
	args := []view.Arg{}
	for _, v := range vs {
		if v == nil {
			continue
		}
		arg := view.Arg{Name: v.Name, Type: v.Type.String(), From: -1}
		if i, ok := row[v.Def]; ok {
			arg.From = i
		}
		args = append(args, arg)
	}
	return args
}

// rows adds the operators with what the report says of each: it has them in the
// order of the graph.
func (d *dissection) rows(page *view.Page, rep *passes.Report) {
	line := map[string]string{}
	for _, l := range d.rules.Lines {
		line[l.Pos] = l.Text
	}
	formula, index := map[*ir.Node]*int{}, map[string]*int{}
	for _, e := range d.ledger.entries {
		if index[e.formula] == nil {
			n := len(page.Formulas)
			index[e.formula] = &n
			page.Formulas = append(page.Formulas, e.formula)
		}
		formula[e.of] = index[e.formula]
	}
	page.Rows = make([]view.Row, len(d.nodes))
	for i, n := range d.nodes {
		o := rep.Operators[i]
		if parentOf(o) == noParent {
			o.Scope, o.Class = "", ""
		}
		page.Rows[i] = view.Row{
			Name: o.Node, Op: o.Op, Layer: moduleOf(n), Scope: o.Scope, Class: o.Class, Recognised: recognised(o), Live: o.Live,
			Rule: o.Rule, At: o.At, Line: strings.TrimSpace(line[o.At]), Why: o.Why,
			In: d.in[i], Out: d.out[i], Formula: formula[n],
		}
		name, _, _ := strings.Cut(o.Rule, "(")
		if r := rules.Standard().Lookup(name); r != nil {
			page.Rules[name] = r.Doc
		}
	}
}

// numbers adds what the ledger says after a run.
func (d *dissection) numbers(page *view.Page, out map[string]*ir.Tensor) error {
	ps, err := d.ledger.postings(out)
	if err != nil {
		return err
	}
	seeded, _, err := d.ledger.seeded(out)
	if err != nil {
		return err
	}
	page.Seeded = view.Number(seeded)
	of := map[*ir.Node]*posting{}
	for i, e := range d.ledger.entries {
		of[e.of] = &ps[i]
	}
	for i, n := range d.nodes {
		p := of[n]
		if p == nil {
			continue
		}
		r := view.Relevance{In: view.Number(p.In), Weight: view.Number(p.Magnitude), Out: view.Number(p.Out), By: map[string]view.Number{}}
		if !isNoise(p.Absorbed, p.size()) {
			r.Absorbed = view.Number(p.Absorbed)
		}
		for cause, x := range p.By {
			if !isNoise(x, p.size()) {
				r.By[cause] = view.Number(x)
			}
		}
		page.Rows[i].Relevance = &r
	}
	return nil
}

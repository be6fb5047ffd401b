package cli

import (
	"context"
	"fmt"
	"maps"
	"math"
	"path/filepath"
	"runtime"
	"slices"
	"strings"

	"github.com/lxtc/lxtc"
	"github.com/lxtc/lxtc/backend"
	"github.com/lxtc/lxtc/backend/gorgonia"
	"github.com/lxtc/lxtc/backend/reference"
	"github.com/lxtc/lxtc/heatmap"
	"github.com/lxtc/lxtc/internal/diag"
	"github.com/lxtc/lxtc/internal/npy"
	"github.com/lxtc/lxtc/ir"
	"github.com/lxtc/lxtc/passes"
	"github.com/spf13/cobra"
)

// explanation is the flags of `lxtc explain`.
type explanation struct {
	source
	recipe
	engine
	drawing
	seeds string
	each  bool
	otherMethod
}

func (a *app) explainCommand() *cobra.Command {
	var e explanation
	c := &cobra.Command{
		Use:   "explain [MODEL]",
		Short: "draw what an output of a model depends on",
		Long: `Explain runs a model and shows how much each token or pixel contributed to an
output. Without MODEL it explains a small language model that lxtc carries.

The ending of -o says what is written: html, pdf, svg, png, tex, json, txt, or
npz, which holds every output of the model under its own name and the relevance
of each explained tensor as "R:" and the tensor's name. Without -o the terminal
shows it.`,
		Example: `  lxtc explain
  lxtc explain models/smollm2 --text "The capital of France is" --target 'text:" Paris"'
  lxtc explain t5 --text "translate English to German: The house" --decoder-text "Das"
  lxtc explain resnet.onnx --image cat.jpg --preset imagenet -r epsilon-plus -o heat.png
  lxtc explain net --image cat.jpg --target tabby --target '-1*tiger cat' -o rather.html
  lxtc explain net --image cat.jpg --target top3 --each -o three.html
  lxtc explain net --image cat.jpg --target tabby --through '/layer4/layer4.1/Add_output_0[:,17]' -o concept.png
  lxtc explain model.onnx --input in.npz --target 'logits[0,-1,42]' -o relevance.npz`,
		Args: atMostOne,
		RunE: a.run(func(ctx context.Context, args []string) error { return a.explain(ctx, e, args) }),
	}
	e.source.flags(c)
	e.recipe.flags(c)
	e.engine.flags(c)
	e.memoryFlag(c)
	e.drawing.flags(c, "`FILE` to write; - is standard output")
	e.otherMethod.flags(c)
	f := c.Flags()
	f.StringVar(&e.seeds, "seed-npz", "", "relevance of outputs, as arrays named after them (`FILE`.npz), instead of a target")
	f.BoolVar(&e.each, "each", false, "explain several targets one by one, in one forward pass, instead of their sum")
	return c
}

// engine is the flags that say what runs the model.
type engine struct {
	backend    string
	threads    int
	double     bool
	checkpoint bool
}

func (e *engine) flags(c *cobra.Command) {
	f := c.Flags()
	f.StringVar(&e.backend, "backend", "gorgonia", "what runs the model: gorgonia, or reference (slow, in float64)")
	f.IntVar(&e.threads, "threads", 0, "processors to use; 0 is all")
	f.BoolVar(&e.double, "double", false, "keep float64 outputs (with --backend reference)")
	complete(c, "backend", "gorgonia", "reference")
}

// memoryFlag is for commands that run relevance and want nothing from inside.
func (e *engine) memoryFlag(c *cobra.Command) {
	c.Flags().BoolVar(&e.checkpoint, "checkpoint", false, "hold less memory, for more time: keep only what passes from layer to layer or block to block, and compute the rest again")
}

func (e engine) open() (backend.Backend, error) {
	switch {
	case e.threads < 0:
		return nil, usagef("--threads is %d", e.threads)
	case e.backend == "gorgonia" && e.double:
		return nil, usagef("--double needs --backend reference")
	case e.backend == "gorgonia":
		return gorgonia.New(), nil
	case e.backend == "reference" && e.double:
		return reference.NewDouble(), nil
	case e.backend == "reference":
		return reference.New(), nil
	}
	return nil, usagef("no backend is called %q%s", e.backend, diag.DidYouMean(e.backend, []string{"gorgonia", "reference"}))
}

func (a *app) explain(ctx context.Context, e explanation, args []string) error {
	format, look, err := e.style()
	if err == nil {
		err = overwrites(e.out, e.source)
	}
	if err != nil {
		return err
	}
	j, err := a.prepare(args, e.source, e.recipe, e.engine)
	if err != nil {
		return err
	}
	defer j.model.Close()
	if e.each {
		return a.explainEach(ctx, j, e, format, look)
	}
	s, b, opt, f := j.model, j.backend, j.opt, j.feed
	if e.method != "" {
		return a.explainByMethod(ctx, j, e, format, look)
	}
	if opt, err = s.seed(e, opt, f); err != nil {
		return err
	}
	if e.seeds == "" {
		a.warnOfSoftmax(s, e.recipe)
	}
	opt.TargetsOnly = format != "npz" // a drawing shows no other outputs
	x, out, err := a.relevance(ctx, s, b, e.engine, opt, f)
	if err != nil {
		return err
	}
	if format == "npz" {
		return a.writeArrays(s, x, out, e.out)
	}
	d, err := s.drawing(x.Rewritten, opt, f, out)
	if err != nil {
		return err
	}
	return a.draw(d, look, e.out, format)
}

// openOrDefault opens the named model, or the one that lxtc carries.
func (a *app) openOrDefault(args []string) (*subject, error) {
	if len(args) == 0 {
		return openCarried()
	}
	return a.open(args[0])
}

// relevance rewrites the model, runs it, and reports.
func (a *app) relevance(ctx context.Context, s *subject, b backend.Backend, e engine, opt lxtc.Options, f *feed) (*lxtc.Explainer, map[string]*ir.Tensor, error) {
	p := a.progress()
	defer p.end()
	run := a.running(e.threads)
	run.Progress = p.tick
	x, err := s.Explainer(ctx, b, opt, run)
	if x != nil && x.Rewritten != nil {
		a.afterRewrite(x.Report)
	}
	if err != nil {
		return nil, nil, err
	}
	defer x.Close()
	if err := a.checkMemory(x.Model.Graph, f.tensors); err != nil {
		return nil, nil, err
	}
	if a.verbose > 0 {
		a.noteMemory(x, bind(x.Model.Graph, f.tensors))
		a.noteSlow(x.Model, b)
	}
	out, err := x.Run(ctx, f.tensors)
	p.end()
	if err != nil {
		return nil, nil, err
	}
	a.note("memory: %s of values at the worst moment, on %s", size(x.Stats().Peak), b.Name())
	return x, out, a.warnOfOverflow(x.Rewritten, out)
}

// warnOfOverflow says which relevance is not finite.
func (a *app) warnOfOverflow(x *lxtc.Rewritten, out map[string]*ir.Tensor) error {
	for i, v := range relevances(x) {
		r, err := out[v.Name].Float64s()
		if err != nil {
			return err
		}
		if slices.ContainsFunc(r, func(f float64) bool { return math.IsNaN(f) || math.IsInf(f, 0) }) {
			a.warn("relevance of %s is not finite; `lxtc check` looks for the place", x.Report.Explained[i])
		}
	}
	return nil
}

// noteMemory says before a run what it will take.
func (a *app) noteMemory(x *lxtc.Explainer, d dims) {
	st := x.Stats()
	values, exact := d.intermediates(x.Model.Graph)
	about := "about"
	if !exact {
		about = "at least"
	}
	a.note("memory: %s of weights, %s %s of values expected; %d nodes on %d processors", size(st.Weights), about, size(values), st.Nodes, runtime.GOMAXPROCS(0))
}

// noteSlow says which operators have no kernel of their own.
func (a *app) noteSlow(m *ir.Model, b backend.Backend) {
	if b.Name() != gorgonia.New().Name() {
		return
	}
	count := map[string]int{}
	for _, n := range gorgonia.Interpreted(m) {
		count[n.Op.String()]++
	}
	var ops []string
	for _, op := range slices.Sorted(maps.Keys(count)) {
		ops = append(ops, fmt.Sprintf("%s ×%d", op, count[op]))
	}
	if len(ops) > 0 {
		a.note("slow: no kernel but the interpreter's, in float64 and on one thread, for %s", strings.Join(ops, ", "))
	}
}

// size writes a number of bytes.
func size(n int64) string {
	const unit = 1024
	f, k := float64(n), 0
	for f >= unit && k < 4 {
		f, k = f/unit, k+1
	}
	if k == 0 {
		return fmt.Sprintf("%d B", n)
	}
	return fmt.Sprintf("%.1f %ciB", f, "KMGT"[k-1])
}

// formats are the kinds of files that explain writes.
func formats() []string {
	var out []string
	for _, f := range heatmap.Formats() {
		out = append(out, f.Name)
	}
	return append(out, "npz")
}

// formatOf returns the format of an output; "" is the terminal.
func formatOf(path, format string) (string, error) {
	if err := checkFolder(path); err != nil {
		return "", err
	}
	given := format
	if given == "" {
		given = strings.TrimPrefix(strings.ToLower(filepath.Ext(path)), ".")
		if given == "htm" {
			given = "html"
		}
	}
	switch {
	case slices.Contains(formats(), given):
		return given, nil
	case format != "":
		return "", usagef("no format is called %q%s; there are %s", format, diag.DidYouMean(format, formats()), strings.Join(formats(), ", "))
	case path == "" || path == "-":
		return "", nil
	}
	return "", usagef("-o %s: the ending says no format; use one of %s, or --format", path, strings.Join(formats(), ", "))
}

// writeArrays writes the outputs of the model under their names and relevance
// under "R:" and the name of the explained tensor.
func (a *app) writeArrays(s *subject, x *lxtc.Explainer, out map[string]*ir.Tensor, path string) error {
	var archive npy.Archive
	own := names(s.IR().Graph.Outputs)
	for _, v := range x.Model.Graph.Outputs {
		if !slices.Contains(own, v.Name) && !strings.HasPrefix(v.Name, "R:") {
			continue
		}
		arr, err := toArray(out[v.Name])
		if err != nil {
			a.warn("output %q is left out: %v", v.Name, err)
			continue
		}
		archive = append(archive, npy.Entry{Name: v.Name, Array: arr})
	}
	if path != "" && path != "-" && strings.EqualFold(filepath.Ext(path), ".npz") {
		return npy.WriteFile(path, archive)
	}
	b, err := npy.EncodeArchive(archive)
	if err != nil {
		return err
	}
	return a.writeBytes(path, b)
}

// targetsOf returns the targets that were explained.
func targetsOf(opt lxtc.Options) []passes.Target {
	if len(opt.Targets) == 0 {
		return []passes.Target{passes.Argmax}
	}
	return opt.Targets
}

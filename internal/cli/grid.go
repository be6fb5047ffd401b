package cli

import (
	"bytes"
	"context"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/lxtc/lxtc"
	"github.com/lxtc/lxtc/attribution"
	"github.com/lxtc/lxtc/eval"
	"github.com/lxtc/lxtc/heatmap"
	"github.com/lxtc/lxtc/internal/diag"
	"github.com/lxtc/lxtc/internal/npy"
	"github.com/lxtc/lxtc/ir"
	"github.com/lxtc/lxtc/passes"
	"github.com/spf13/cobra"
)

// sweeping is the flags of `lxtc grid`.
type sweeping struct {
	source
	recipe
	engine
	drawing
	params []string
	steps  int
	patch  int
	shared bool
}

func (a *app) gridCommand() *cobra.Command {
	var g sweeping
	c := &cobra.Command{
		Use:   "grid [MODEL]",
		Short: "explain at many values of a rule's parameters, side by side",
		Long: `Grid explains one input at every combination of values of the parameters that a
rule map leaves free: those written $name. The model is compiled once, the
forward pass runs once, and what depends on some of the parameters runs for their
values: for several of them at once, as many as memory allows (-v says how many).
For each point a table says how faithful the explanation is: how
much longer the score lasts when the least relevant tokens or patches go first
than when the most relevant do (see lxtc eval); the best is marked. ΣR is the sum
over tensors that are computed from no other that is explained; of several, such
as --trace adds, a second table has each.

The ending of -o says what is drawn: a row for each value of the first
parameter, or of a single one four values in a row. npz holds the relevance of every point.`,
		Example: `  lxtc grid vit.onnx --image cat.png -r attnlrp-vit --param conv=0.1,0.5,100 --param linear=0,0.01,0.1 -o grid.png`,
		Args:    atMostOne,
		RunE:    a.run(func(ctx context.Context, args []string) error { return a.grid(ctx, g, args) }),
	}
	g.source.flags(c)
	g.recipe.flags(c)
	g.engine.flags(c)
	g.memoryFlag(c)
	g.drawing.flags(c, "`FILE` to draw; without it there is the table only")
	f := c.Flags()
	f.StringArrayVar(&g.params, "param", nil, "`NAME=VALUE,VALUE,…` of a free parameter; repeatable. One without has its default")
	f.IntVar(&g.steps, "steps", 10, "steps in which features are removed for the score; 0 leaves it out")
	f.IntVar(&g.patch, "patch", 0, "side in pixels of what is removed at once; 0 is a sixteenth of the picture")
	f.BoolVar(&g.shared, "shared", false, "one scale of colours for all points, instead of one for each")
	return c
}

// sideBySide is how many values of a single parameter are drawn in a row: as many as
// one can compare on a page.
const sideBySide = 4

// axis is a parameter and its values.
type axis struct {
	name   string // "$gamma"
	values []float32
	words  []string // the values as they were written
}

func parseAxes(args []string) ([]axis, error) {
	var axes []axis
	for _, arg := range args {
		name, list, ok := strings.Cut(arg, "=")
		if name = "$" + strings.TrimPrefix(name, "$"); !ok || name == "$" {
			return nil, usagef("--param %s: want NAME=VALUE,VALUE", arg)
		}
		if slices.ContainsFunc(axes, func(a axis) bool { return a.name == name }) {
			return nil, usagef("--param %s: %s has values already", arg, name)
		}
		x := axis{name: name}
		for word := range strings.SplitSeq(list, ",") {
			word = strings.TrimSpace(word)
			v, err := strconv.ParseFloat(word, 32)
			switch {
			case err != nil || math.IsNaN(v) || math.IsInf(v, 0):
				return nil, usagef("--param %s: %q is not a finite number of 32 bits", arg, word)
			case slices.Contains(x.values, float32(v)):
				return nil, usagef("--param %s: the value %s is there twice", arg, word)
			}
			x.values, x.words = append(x.values, float32(v)), append(x.words, word)
		}
		axes = append(axes, x)
	}
	if len(axes) == 0 {
		return nil, usageError(diag.Errorf("", "no parameter to vary").Help("give --param NAME=VALUE,VALUE for a number that the rule map writes as $NAME"))
	}
	return axes, nil
}

// gridPoint is the explanation at one value of each parameter.
type gridPoint struct {
	at        []int // the value of each axis, by its number
	relevance []*ir.Tensor
	sums      []float64 // of each tensor
	sum       float64   // of those that are computed from no other
	gap       float64   // NaN if it is not scored
}

// label names a point: "gamma=0.1 conv=0.5".
func (p gridPoint) label(axes []axis) string {
	var parts []string
	for i, x := range axes {
		parts = append(parts, strings.TrimPrefix(x.name, "$")+"="+x.words[p.at[i]])
	}
	return strings.Join(parts, " ")
}

func (a *app) grid(ctx context.Context, g sweeping, args []string) error {
	axes, err := parseAxes(g.params)
	if err != nil {
		return err
	}
	format, look, err := g.style()
	if err == nil {
		err = overwrites(g.out, g.source)
	}
	if err != nil {
		return err
	}
	if g.steps < 0 || g.patch < 0 {
		return usagef("--steps and --patch must not be negative")
	}
	j, err := a.prepare(args, g.source, g.recipe, g.engine)
	if err != nil {
		return err
	}
	defer j.model.Close()
	points, report, label, err := a.sweep(ctx, j, g, axes)
	if err != nil {
		return err
	}
	explained := report.Explained
	for _, p := range points {
		if !finite([]float64{p.sum}) {
			a.warn("relevance at %s is not finite; `lxtc check` looks for the place", p.label(axes))
		}
	}
	if g.steps > 0 {
		if err := a.scorePoints(ctx, j, g, explained, points); err != nil {
			return err
		}
	}
	if format == "" || g.out != "" && g.out != "-" { // else standard output takes the drawing
		err := a.gridTable(points, axes)
		if err == nil && len(explained) > 1 {
			err = a.gridSums(explained, points, axes)
		}
		if err != nil || format == "" {
			return err
		}
	}
	if format == "npz" {
		return a.writeGrid(g.out, explained, points, axes)
	}
	d := heatmap.Doc{Title: "Why " + label + "?", Model: j.model.name, Rules: report.Rules + ", " + report.Form + " form"}
	f := *j.feed
	f.picture = nil // only the maps, side by side
	for _, p := range points {
		for i, r := range p.relevance {
			x, err := r.Float64s()
			if err != nil {
				return err
			}
			label := p.label(axes)
			if len(explained) > 1 {
				label += ", " + explained[i]
			}
			if err := j.model.arrange(&d, label, &f, explained[i], x, r.Shape); err != nil {
				return err
			}
		}
	}
	look.Shared, look.Columns = g.shared, len(points)/len(axes[0].values)*len(explained)
	if len(axes) == 1 && len(explained) == 1 {
		look.Columns = min(len(points), sideBySide)
	}
	return a.draw(d, look, g.out, format)
}

// sweep explains at every point, in the order of the axes, the last of which
// turns first. It also returns what the rewriting reports, and what is explained,
// in words.
func (a *app) sweep(ctx context.Context, j *job, g sweeping, axes []axis) ([]gridPoint, *passes.Report, string, error) {
	p := a.progress()
	defer p.end()
	s, err := j.model.Sweep(ctx, j.backend, j.opt, a.running(g.threads))
	if s != nil && s.Rewritten != nil {
		a.afterRewrite(s.Report)
	}
	if err != nil {
		return nil, nil, "", err
	}
	defer s.Close()
	values, total := map[string][]float32{}, 1
	for _, x := range axes {
		if !slices.Contains(s.Params, x.name) {
			return nil, nil, "", usagef("--param %s: rule map %s has no such parameter that has an effect%s; there are %s", x.name, s.Report.Rules, diag.DidYouMean(x.name, s.Params), strings.Join(s.Params, ", "))
		}
		values[x.name] = x.values
		total *= len(x.values)
	}
	if err := a.checkMemory(s.Model.Graph, j.feed.tensors); err != nil {
		return nil, nil, "", err
	}
	points, outer := make([]gridPoint, total), outermost(j.model.IR().Graph, s.Report.Explained)
	label, done := "", 0
	err = s.Run(ctx, j.feed.tensors, values, func(at lxtc.Point) error {
		if label == "" {
			label = j.model.describe(j.opt, j.feed, at.Out)
		}
		k, q := 0, gridPoint{gap: math.NaN()}
		for _, x := range axes {
			i := slices.Index(x.values, at.Values[x.name])
			q.at, k = append(q.at, i), k*len(x.values)+i
		}
		for i, name := range s.Report.Explained {
			r := at.Out["R:"+name]
			x, err := r.Float64s()
			if err != nil {
				return err
			}
			sum := 0.0
			for _, v := range x {
				sum += v
			}
			if q.sums = append(q.sums, sum); outer[i] {
				q.sum += sum
			}
			q.relevance = append(q.relevance, r)
		}
		points[k] = q
		done++
		p.count(done, total, "points")
		return nil
	})
	p.end()
	a.noteTogether(s)
	return points, s.Report, label, err
}

// noteTogether says how many values of each parameter ran at once.
func (a *app) noteTogether(s *lxtc.Sweep) {
	for _, t := range s.Together() {
		switch {
		case t.Why != nil:
			a.note("%s: one value at a time: %v", t.Param, t.Why)
		case t.Most > 0:
			a.note("%s: up to %d values at once", t.Param, t.Most)
		}
	}
}

// scorePoints measures how faithful each point is, if that can be done.
func (a *app) scorePoints(ctx context.Context, j *job, g sweeping, explained []string, points []gridPoint) error {
	first, outer := -1, 0 // layers that --trace adds are no features to remove
	for i, is := range outermost(j.model.IR().Graph, explained) {
		if is {
			first, outer = i, outer+1
		}
	}
	if outer != 1 || len(j.opt.Targets) > 1 || len(j.opt.Targets) == 1 && !j.opt.Targets[0].Scored() || g.temperature != 0 {
		a.warn("points are not scored: that takes one tensor and the value of one element")
		return nil
	}
	o := attribution.Options{Tensor: explained[first], Run: a.running(g.threads)}
	if len(j.opt.Targets) == 1 {
		o.Target = j.opt.Targets[0]
	}
	lens, err := attribution.NewLens(ctx, j.model.Model, j.backend, o)
	if err != nil {
		return err
	}
	defer lens.Close()
	v, err := lens.Look(ctx, j.feed.tensors, nil)
	if err != nil && ctx.Err() == nil {
		a.warn("points are not scored: %v", err) // they are explained all the same
		return nil
	}
	if err != nil {
		return err
	}
	parts, err := attribution.FeaturesOf(v.Shape, g.patch)
	if err != nil {
		return err
	}
	p := a.progress()
	defer p.end()
	for i := range points {
		p.count(i, len(points), "points scored")
		if !finite([]float64{points[i].sum}) {
			continue
		}
		x, err := points[i].relevance[first].Float64s()
		if err != nil {
			return err
		}
		curves, err := eval.Perturb(ctx, attribution.Removable{View: v, Parts: parts, Base: parts.Zero()}, parts.Sum(x), min(g.steps, parts.Len()))
		if err != nil {
			return err
		}
		points[i].gap = curves.Gap()
	}
	return nil
}

// gridTable writes a line for each point, the best marked.
func (a *app) gridTable(points []gridPoint, axes []axis) error {
	var buf bytes.Buffer
	p := &paper{colors: a.colors(a.stdout) != heatmap.NoColor}
	t := &table{}
	for i, x := range axes {
		t.head = append(t.head, strings.TrimPrefix(x.name, "$"))
		t.right = append(t.right, i)
	}
	t.head = append(t.head, "ΣR", "gap", "")
	t.right = append(t.right, len(axes), len(axes)+1)
	best := -1
	for i, q := range points {
		if !math.IsNaN(q.gap) && (best < 0 || q.gap > points[best].gap) {
			best = i
		}
	}
	for i, q := range points {
		var cells []string
		for k, x := range axes {
			cells = append(cells, x.words[q.at[k]])
		}
		gap, mark := "-", ""
		if !math.IsNaN(q.gap) {
			gap = fmt.Sprintf("%.4g", q.gap)
		}
		if i == best {
			mark = "most faithful"
		}
		t.add(append(cells, fmt.Sprintf("%.4g", q.sum), gap, mark)...)
	}
	t.style = func(column int, s string) string {
		if column == len(axes)+2 {
			return p.green(s)
		}
		return s
	}
	t.write(p, p.bold)
	buf.WriteString(p.String())
	_, err := a.stdout.Write(buf.Bytes())
	return err
}

// writeGrid writes relevance as arrays that are named after the tensor and the
// point: "R:pixels gamma=0.1 conv=0.5".
func (a *app) writeGrid(path string, explained []string, points []gridPoint, axes []axis) error {
	var archive npy.Archive
	for _, p := range points {
		for i, r := range p.relevance {
			arr, err := toArray(r)
			if err != nil {
				return err
			}
			archive = append(archive, npy.Entry{Name: "R:" + explained[i] + " " + p.label(axes), Array: arr})
		}
	}
	b, err := npy.EncodeArchive(archive)
	if err != nil {
		return err
	}
	return a.writeBytes(path, b)
}

package cli

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"

	"github.com/lxtc/lxtc/heatmap"
	"github.com/lxtc/lxtc/importer/onnx"
	"github.com/lxtc/lxtc/ir"
	"github.com/lxtc/lxtc/passes"
	"github.com/spf13/cobra"
)

func (a *app) inspectCommand() *cobra.Command {
	var asJSON bool
	c := &cobra.Command{
		Use:   "inspect MODEL",
		Short: "say what a model consists of, and what lxtc makes of it",
		Long: `Inspect lists a model's inputs, outputs, weights and operators, whether lxtc
knows each operator, and what would be explained. What keeps a model from being
used is listed all at once: operators that are not known, and those whose
attributes or inputs are refused, with how many of them relevance would have to
pass. -v adds every tensor, by the names that --explain takes.`,
		Example: `  lxtc inspect model.onnx
  lxtc inspect -v model.onnx | grep layers.3       # names for --explain
  lxtc inspect model.onnx --json | jq .unsupported`,
		Args:              oneModel,
		ValidArgsFunction: completeModel,
		RunE: a.run(func(_ context.Context, args []string) error {
			var refused []onnx.Unsupported
			s, err := a.open(args[0], onnx.Collect(&refused))
			if err != nil {
				return err
			}
			defer s.Close()
			in := look(s, a.verbose > 0)
			in.Unsupported = survey(s.IR(), refused)
			if asJSON {
				err = writeJSON(a.stdout, in)
			} else {
				err = a.printInspection(a.stdout, in)
			}
			return cmp.Or(err, refusal(s.IR(), refused, in.Unsupported))
		}),
	}
	c.Flags().BoolVar(&asJSON, "json", false, "print as JSON")
	return c
}

// inspection is what `lxtc inspect` finds.
type inspection struct {
	File      string           `json:"file"`
	Producer  string           `json:"producer,omitempty"`
	Opsets    map[string]int64 `json:"opsets"`
	Nodes     int              `json:"nodes"`
	Inputs    []tensorInfo     `json:"inputs"`
	Outputs   []tensorInfo     `json:"outputs"`
	Weights   []weightInfo     `json:"weights"` // by element type
	Operators []opInfo         `json:"operators"`

	Unsupported []unsupported `json:"unsupported,omitempty"` // operators that keep the model from being used

	Explained []string     `json:"explained"` // without --explain
	Target    string       `json:"target,omitempty"`
	Relevance *pedigree    `json:"relevance,omitempty"` // of a model that was rewritten
	Tensors   []tensorInfo `json:"tensors,omitempty"`
}

type tensorInfo struct {
	Name string `json:"name"`
	Type string `json:"type"`
	From string `json:"from,omitempty"` // the operator that computes it
}

type weightInfo struct {
	Type       string `json:"type"`
	Tensors    int    `json:"tensors"`
	Parameters int64  `json:"parameters"`
	Bytes      int64  `json:"bytes"`
}

type opInfo struct {
	Op      string `json:"op"`
	Count   int    `json:"count"`
	Known   bool   `json:"known"`
	Passes  bool   `json:"passes_relevance"` // has a derivative
	Live    int    `json:"live"`             // on the way from what is explained to an output
	Example string `json:"example"`
}

// look inspects a model as it was read.
func look(s *subject, tensors bool) *inspection {
	m := s.IR()
	in := &inspection{
		File: m.File, Producer: m.Producer, Opsets: m.Opsets, Nodes: m.Graph.Len(),
		Inputs: infos(m.Graph.Inputs), Outputs: infos(m.Graph.Outputs), Weights: weights(m.Graph),
	}
	sources := passes.DefaultSources(m.Graph)
	for _, v := range sources {
		in.Explained = append(in.Explained, v.Name)
	}
	if v := defaultOutput(m.Graph); v != nil {
		in.Target = passes.Target{Output: v.Name, Position: -1}.String()
	}
	if p := readPedigree(m); p != (pedigree{}) {
		in.Relevance = &p
	}
	in.Operators = operators(m, sources)
	if tensors {
		for v := range m.Graph.Values() {
			if v.Data == nil {
				in.Tensors = append(in.Tensors, info(v))
			}
		}
	}
	return in
}

func infos(vs []*ir.Value) []tensorInfo {
	out := make([]tensorInfo, len(vs))
	for i, v := range vs {
		out[i] = info(v)
	}
	return out
}

func info(v *ir.Value) tensorInfo {
	t := tensorInfo{Name: v.Name, Type: v.Type.String()}
	if v.Def != nil {
		t.From = v.Def.Op.String()
	}
	return t
}

// weights counts the constants by element type, the largest first.
func weights(g *ir.Graph) []weightInfo {
	byType := map[string]weightInfo{}
	for _, v := range g.Consts {
		w := byType[v.Data.Elem.String()]
		w.Type = v.Data.Elem.String()
		w.Tensors++
		w.Parameters += int64(v.Data.Len())
		w.Bytes += int64(len(v.Data.Raw))
		byType[w.Type] = w
	}
	return slices.SortedFunc(maps.Values(byType), func(a, b weightInfo) int {
		return cmp.Or(cmp.Compare(b.Bytes, a.Bytes), cmp.Compare(a.Type, b.Type))
	})
}

// operators counts operators, most frequent first.
func operators(m *ir.Model, sources []*ir.Value) []opInfo {
	live := livePath(m, sources)
	byOp := map[string]opInfo{}
	for n := range m.Graph.Nodes() {
		op := byOp[n.Op.String()]
		known := meaning(m, n)
		if op.Count++; op.Count == 1 {
			op.Op, op.Example = n.Op.String(), n.Name
			if op.Example == "" && len(n.Out) > 0 {
				op.Example = n.Out[0].String()
			}
			op.Known, op.Passes = known != nil, known != nil && known.VJP != nil
		}
		if live(n) {
			op.Live++
		}
		byOp[op.Op] = op
	}
	return slices.SortedFunc(maps.Values(byOp), func(a, b opInfo) int {
		return cmp.Or(cmp.Compare(b.Count, a.Count), cmp.Compare(a.Op, b.Op))
	})
}

func (a *app) printInspection(w io.Writer, in *inspection) error {
	p := &paper{colors: a.colors(w) != heatmap.NoColor}
	p.line("%s", p.bold(in.File))
	if in.Producer != "" {
		p.line("producer   %s", in.Producer)
	}
	var opsets []string
	for _, d := range slices.Sorted(maps.Keys(in.Opsets)) {
		opsets = append(opsets, fmt.Sprintf("%s %d", cmp.Or(d, "ai.onnx"), in.Opsets[d]))
	}
	p.line("opsets     %s", strings.Join(opsets, ", "))
	for _, x := range in.Weights {
		p.line("weights    %s: %d tensors, %d elements, %s", x.Type, x.Tensors, x.Parameters, size(x.Bytes))
	}
	p.line("explained  %s", cmp.Or(strings.Join(in.Explained, ", "), "nothing by itself: name a tensor with --explain"))
	p.line("target     %s", cmp.Or(in.Target, "none: no output is floating point"))
	if in.Relevance != nil {
		p.line("relevance  %s", in.Relevance)
	}
	p.tensors("Inputs", in.Inputs)
	p.tensors("Outputs", in.Outputs)
	p.line("\n%s", p.bold(fmt.Sprintf("Operators (%d nodes)", in.Nodes)))
	g := &table{head: []string{"Operator", "#", "Known", "Passes relevance", "On the way", "Example"}, right: []int{1, 4}}
	yes := map[bool]string{true: "✓", false: "-"}
	for _, o := range in.Operators {
		passesOn, known := yes[o.Passes], "✓"
		if !o.Known {
			known, passesOn = "✗", "⁇"
		}
		g.add(o.Op, fmt.Sprint(o.Count), known, passesOn, fmt.Sprint(o.Live), o.Example)
	}
	g.style = func(column int, s string) string {
		if column == 2 || column == 3 {
			return p.mark(s)
		}
		return s
	}
	g.write(p, p.bold)
	p.unsupported(in.Unsupported)
	if len(in.Tensors) > 0 {
		p.tensors("Tensors", in.Tensors)
	}
	_, err := io.WriteString(w, p.String())
	return err
}

func (p *paper) tensors(title string, ts []tensorInfo) {
	p.line("\n%s", p.bold(title))
	g := &table{head: []string{"Name", "Type", "From"}}
	for _, t := range ts {
		g.add(t.Name, t.Type, t.From)
	}
	for _, row := range g.lines() {
		p.line("  %s", row)
	}
}

// unsupported lists what keeps the model from being used.
func (p *paper) unsupported(all []unsupported) {
	if len(all) == 0 {
		return
	}
	p.line("\n%s", p.red(p.bold("Not supported")))
	g := &table{head: []string{"Operator", "Version", "#", "On the way", "Example", "Why"}, right: []int{1, 2, 3}}
	for _, u := range all {
		g.add(u.Op, fmt.Sprint(u.Version), fmt.Sprint(u.Count), fmt.Sprint(u.Live), u.Example, u.Why)
	}
	g.write(p, p.bold)
}

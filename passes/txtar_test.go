package passes_test

import (
	"bytes"
	"context"
	"flag"
	"fmt"
	"hash/fnv"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/rogpeppe/go-internal/txtar"

	"github.com/lxtc/lxtc/backend"
	"github.com/lxtc/lxtc/backend/reference"
	"github.com/lxtc/lxtc/ir"
	"github.com/lxtc/lxtc/ir/ops"
	"github.com/lxtc/lxtc/passes"
	"github.com/lxtc/lxtc/rules"
)

var update = flag.Bool("update", false, "write out, report and error sections anew")

// TestPasses runs the cases of testdata/PASS/*.txtar. A case is sections of the
// same name:
//
//	-- in operands swapped --      a model
//	-- options operands swapped -- form=explicit and so on, one a line
//	-- rules operands swapped --   a rule map, attnlrp if there is none
//	-- out operands swapped --     the model after the pass
//	-- report operands swapped --  what the pass says it did, and did not do
//	-- error operands swapped --   instead of these two
//
// Whatever a pass does, the model must be well formed and compute the same.
func TestPasses(t *testing.T) {
	files, err := filepath.Glob("testdata/*/*.txtar")
	if err != nil || len(files) == 0 {
		t.Fatalf("no cases in testdata: %v", err)
	}
	for _, file := range files {
		archive, err := txtar.ParseFile(file)
		if err != nil {
			t.Fatal(err)
		}
		pass := filepath.Base(filepath.Dir(file))
		var written []txtar.File
		for _, c := range casesOf(t, file, archive) {
			name := strings.TrimSuffix(filepath.Base(file), ".txtar") + "/" + c.name
			got := c.sections // stays, if -run leaves the case out
			t.Run(pass+"/"+name, func(t *testing.T) {
				got = c.run(t, pass)
				if !*update {
					for _, kind := range []string{"out", "report", "error"} {
						if d := cmp.Diff(c.sections[kind], got[kind]); d != "" {
							t.Errorf("%s differs:\n%s", kind, d)
						}
					}
				}
			})
			written = append(written, c.files(got)...)
		}
		if *update {
			archive.Files = written
			if err := os.WriteFile(file, txtar.Format(archive), 0o644); err != nil {
				t.Fatal(err)
			}
		}
	}
}

type passCase struct {
	name     string
	sections map[string]string
}

var sectionKinds = []string{"in", "options", "rules", "out", "report", "error"}

func casesOf(t *testing.T, file string, a *txtar.Archive) []*passCase {
	t.Helper()
	var cases []*passCase
	for _, f := range a.Files {
		kind, name, _ := strings.Cut(f.Name, " ")
		if !slices.Contains(sectionKinds, kind) {
			t.Fatalf("%s: a section is one of %v, not %q", file, sectionKinds, f.Name)
		}
		i := slices.IndexFunc(cases, func(c *passCase) bool { return c.name == name })
		if i < 0 {
			i = len(cases)
			cases = append(cases, &passCase{name: name, sections: map[string]string{}})
		}
		if _, twice := cases[i].sections[kind]; twice {
			t.Fatalf("%s: section %q is there twice", file, f.Name)
		}
		cases[i].sections[kind] = string(f.Data)
	}
	return cases
}

// files returns the sections of c in order, those that a run makes as got.
func (c *passCase) files(got map[string]string) []txtar.File {
	var fs []txtar.File
	for _, kind := range sectionKinds {
		text, ok := c.sections[kind]
		if kind == "out" || kind == "report" || kind == "error" {
			text, ok = got[kind]
		}
		if ok {
			fs = append(fs, txtar.File{Name: strings.TrimSpace(kind + " " + c.name), Data: []byte(text)})
		}
	}
	return fs
}

// needed are the passes that run before the one that a case is about.
var needed = map[string][]string{
	"demand":    {"target"},
	"swap":      {"target"},
	"seed":      {"target", "swap"},
	"relevance": {"target", "swap", "seed"},
	"narrow":    {"widen"},
}

func (c *passCase) run(t *testing.T, name string) map[string]string {
	t.Helper()
	m, err := ir.Parse(c.sections["in"], ops.Standard())
	if err != nil {
		t.Fatal(err)
	}
	before := m.Clone()
	opt := c.options(t)
	var p passes.Pipeline
	for _, s := range append(slices.Clone(needed[name]), name) {
		pass, ok := passes.Default().Lookup(s)
		if !ok {
			t.Fatalf("no pass is called %s", s)
		}
		p = append(p, pass)
	}
	r, err := p.Run(context.Background(), m, opt, passes.Driver{Strict: true})
	if err != nil {
		return map[string]string{"error": err.Error() + "\n"}
	}
	if opt.TargetsOnly { // the outputs that are left
		before.Graph.Outputs = slices.DeleteFunc(before.Graph.Outputs, func(v *ir.Value) bool {
			return !slices.ContainsFunc(m.Graph.Outputs, func(w *ir.Value) bool { return w.Name == v.Name })
		})
	}
	limit := 1e-6 // float32 constants
	if before.Graph.Inputs[0].Type.Elem == ir.Float16 {
		limit = 1e-3 // float16 constants
	}
	sameForward(t, before, m, limit)
	var out bytes.Buffer
	if err := ir.Print(&out, m, ir.PrintOptions{Comments: true}); err != nil {
		t.Fatal(err)
	}
	return map[string]string{"out": out.String(), "report": reportText(r)}
}

func (c *passCase) options(t *testing.T) passes.Options {
	t.Helper()
	opt := passes.Options{Eval: reference.Eval}
	for line := range strings.Lines(c.sections["options"]) {
		key, value, _ := strings.Cut(strings.TrimSpace(line), "=")
		switch key {
		case "form":
			if value == "explicit" {
				opt.Form = passes.ExplicitForm
			}
		case "explain":
			opt.Explain = append(opt.Explain, value)
		case "target":
			target, err := passes.ParseTarget(value)
			if err != nil {
				t.Fatal(err)
			}
			opt.Targets = append(opt.Targets, target)
		case "weight":
			opt.Targets[len(opt.Targets)-1].Weight = number(t, value)
		case "seed":
			opt.Targets = append(opt.Targets, passes.Target{Output: value, Seed: true})
		case "temperature":
			opt.Temperature = number(t, value)
		case "only":
			opt.TargetsOnly = true
		case "sums":
			opt.Sums = true
		case "allow":
			opt.Allow = true
		case "opset":
			opt.Opset = int64(number(t, value))
		case "lacks": // what the target has no operator for
			opt.Supports = func(n *ir.Node) error {
				if slices.Contains(strings.Split(value, ","), n.Op.String()) {
					return fmt.Errorf("no %s here", n.Op)
				}
				return nil
			}
		default:
			t.Fatalf("no option is called %q", key)
		}
	}
	if text, ok := c.sections["rules"]; ok {
		m, err := rules.Parse("test.rules", text, rules.Standard())
		if err != nil {
			t.Fatal(err)
		}
		opt.Rules = m
	}
	return opt
}

func number(t *testing.T, s string) float64 {
	t.Helper()
	f, err := strconv.ParseFloat(s, 64)
	if err != nil {
		t.Fatal(err)
	}
	return f
}

// reportText writes what the last pass did, what it left alone, and what the
// report says of operators without a rule.
func reportText(r *passes.Report) string {
	var sb strings.Builder
	step := r.Steps[len(r.Steps)-1]
	for _, d := range step.Done {
		to := d.To
		if strings.HasPrefix(to, "attnlrp.rules:") {
			to = "attnlrp.rules" // lines come and go
		}
		fmt.Fprintln(&sb, strings.TrimSpace(fmt.Sprintf("%s: %s => %s", d.What, d.From, to)))
	}
	for _, s := range step.Skipped {
		fmt.Fprintf(&sb, "not %s: %s: %s\n", s.What, s.From, s.Why)
	}
	if step.Pass == "swap" {
		for _, o := range r.Operators {
			if o.Rule == "" {
				fmt.Fprintf(&sb, "no rule: %s->%s: %s\n", o.Op, o.Node, o.Why)
			}
		}
	}
	for _, w := range r.Warnings {
		fmt.Fprintf(&sb, "warning: %s\n", w)
	}
	return sb.String()
}

// sameForward checks that the outputs which two models share are equal for
// random inputs, relative to the largest. Models whose inputs have no static
// shape, or that cannot run, are left alone.
func sameForward(t testing.TB, before, after *ir.Model, limit float64) {
	t.Helper()
	in, ok := randomInputs(before)
	if !ok {
		return
	}
	want, err := evaluate(before, in)
	if err != nil {
		return
	}
	for _, v := range after.Graph.Inputs {
		if in[v.Name] == nil {
			shape, _ := v.Type.Static()
			in[v.Name] = randomTensor(v.Name, v.Type.Elem, shape)
		}
	}
	got, err := evaluate(after, in)
	if err != nil {
		t.Errorf("the model ran before, and now: %v", err)
		return
	}
	for name, w := range want {
		g := got[name]
		if g == nil {
			t.Errorf("output %s is gone", name)
			continue
		}
		if d := worst(t, g, w); !(d <= limit) {
			t.Errorf("output %s has changed by %g", name, d)
		}
	}
}

func evaluate(m *ir.Model, in map[string]*ir.Tensor) (map[string]*ir.Tensor, error) {
	return backend.Run(context.Background(), reference.NewDouble(), m, backend.Options{}, in)
}

func randomInputs(m *ir.Model) (map[string]*ir.Tensor, bool) {
	in := map[string]*ir.Tensor{}
	for _, v := range m.Graph.Inputs {
		shape, ok := v.Type.Static()
		if !ok {
			return nil, false
		}
		in[v.Name] = randomTensor(v.Name, v.Type.Elem, shape)
	}
	return in, true
}

// randomTensor draws normal floats, or 0 and 1 in other types.
func randomTensor(name string, elem ir.DType, shape []int) *ir.Tensor {
	seed := fnv.New64a()
	fmt.Fprint(seed, name)
	r := rand.New(rand.NewPCG(seed.Sum64(), 0))
	a := reference.NewArray(elem, shape...)
	for i := range a.Len() {
		if a.F != nil {
			a.F[i] = r.NormFloat64()
		} else {
			a.I[i] = int64(r.IntN(2))
		}
	}
	x, err := a.Tensor()
	if err != nil {
		panic(err)
	}
	return x
}

// worst is the largest difference over the largest wanted value, at least 1.
func worst(t testing.TB, got, want *ir.Tensor) float64 {
	t.Helper()
	g, err := got.Float64s()
	if err != nil {
		t.Fatal(err)
	}
	w, err := want.Float64s()
	if err != nil {
		t.Fatal(err)
	}
	if len(g) != len(w) {
		return math.Inf(1)
	}
	diff, size := 0.0, 1.0
	for i := range w {
		if math.IsNaN(g[i]) && math.IsNaN(w[i]) || g[i] == w[i] {
			continue
		}
		diff, size = max(diff, math.Abs(g[i]-w[i])), max(size, math.Abs(w[i]))
	}
	return diff / size
}

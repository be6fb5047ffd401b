package passes_test

import (
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/lxtc/lxtc/ir"
	"github.com/lxtc/lxtc/ir/ops"
	"github.com/lxtc/lxtc/passes"
	"github.com/lxtc/lxtc/passes/patterns"
	"github.com/lxtc/lxtc/rules"
)

func small(t *testing.T) *ir.Model {
	t.Helper()
	m, err := ir.Parse("g (float[2] x) => (float[2] y) { a = Exp (x) y = Neg (a) }", ops.Standard())
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// The driver does not believe what a pass says of itself.
func TestDriverChecksPasses(t *testing.T) {
	for _, tt := range []struct {
		name string
		run  func(c *passes.Context, m *ir.Model) error
		want string
	}{
		{"says it did something, and did not", func(c *passes.Context, m *ir.Model) error {
			c.Did("something", "x", "y")
			return nil
		}, "pass liar reports 1 rewrites, but changed is false"},
		{"did something, and does not say so", func(c *passes.Context, m *ir.Model) error {
			m.Graph.Rename(m.Graph.Outputs[0], "z")
			return nil
		}, "pass liar reports 0 rewrites, but changed is true"},
		{"breaks the model", func(c *passes.Context, m *ir.Model) error {
			c.Did("something", "x", "y")
			m.Graph.Outputs[0].Name = "x"
			return nil
		}, "pass liar broke the model"},
		{"fails", func(c *passes.Context, m *ir.Model) error { return errors.New("no luck") }, "pass liar: no luck"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			p := passes.Pipeline{{Name: "liar", Doc: "lie", Run: tt.run}}
			_, err := p.Run(context.Background(), small(t), passes.Options{}, passes.Driver{})
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("error %v, want %q", err, tt.want)
			}
		})
	}
}

func TestPipelineCheck(t *testing.T) {
	pass := func(name string, after ...string) passes.Pass {
		return passes.Pass{Name: name, Doc: "do", After: after}
	}
	for _, tt := range []struct {
		name string
		p    passes.Pipeline
		want string
	}{
		{"in order", passes.Pipeline{pass("a"), pass("b", "a")}, ""},
		{"what must come before is not there", passes.Pipeline{pass("b", "a")}, ""},
		{"too early", passes.Pipeline{pass("b", "a"), pass("a")}, "pass b must come after a"},
		{"twice", passes.Pipeline{pass("a"), pass("a")}, `pass "a": want a name of its own and a doc`},
		{"unnamed", passes.Pipeline{pass("")}, `pass "": want a name of its own and a doc`},
		{"undocumented", passes.Pipeline{{Name: "a"}}, `pass "a": want a name of its own and a doc`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got := ""
			if err := tt.p.Check(); err != nil {
				got = err.Error()
			}
			if got != tt.want {
				t.Errorf("error %q, want %q", got, tt.want)
			}
		})
	}
	if err := passes.Default().Check(); err != nil {
		t.Error(err)
	}
}

func TestRunStops(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	var seen []string
	dump := func(pass string, m *ir.Model) error {
		seen = append(seen, pass)
		if pass == "canonical" {
			cancel()
		}
		return nil
	}
	r, err := passes.Default().Run(ctx, small(t), passes.Options{}, passes.Driver{Dump: dump})
	if !errors.Is(err, context.Canceled) {
		t.Errorf("error %v, want %v", err, context.Canceled)
	}
	if seen[0] != "input" || seen[len(seen)-1] != "canonical" || len(r.Steps) != len(seen)-1 {
		t.Errorf("dumps %v, %d steps", seen, len(r.Steps))
	}
}

func TestRunRefusesBrokenModels(t *testing.T) {
	m := small(t)
	m.Graph.Outputs[0].Name = "x"
	_, err := passes.Default().Run(context.Background(), m, passes.Options{}, passes.Driver{})
	if err == nil || !strings.Contains(err.Error(), "LX2001") {
		t.Errorf("error %v, want LX2001", err)
	}
}

// Every recognizer has a case in testdata/recognize that it takes, and one that
// it nearly takes.
func TestRecognizersHaveCases(t *testing.T) {
	files, err := filepath.Glob("testdata/recognize/*.txtar")
	if err != nil {
		t.Fatal(err)
	}
	var all bytes.Buffer
	for _, f := range files {
		b, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		all.Write(b)
	}
	names := map[string]string{}
	for _, r := range patterns.Rules() {
		names[r.Name] = r.Doc
	}
	for _, m := range patterns.Markers() {
		names[m.Name] = m.Doc
	}
	if want := len(patterns.Rules()) + len(patterns.Markers()); len(names) != want {
		t.Errorf("%d names for %d recognizers", len(names), want)
	}
	// Nothing comes near to these without being it.
	never := []string{"rotary", "repeat_kv", "componentwise", "log-of-softmax", "exp-of-logsoftmax"}
	var without []string
	for name, doc := range names {
		if doc == "" {
			t.Errorf("recognizer %s has no doc", name)
		}
		if !strings.Contains(all.String(), "\n"+name+": ") {
			t.Errorf("recognizer %s has no case that it takes", name)
		}
		if !strings.Contains(all.String(), "\nnot "+name+": ") && !slices.Contains(never, name) {
			without = append(without, name)
		}
	}
	if d := cmp.Diff([]string(nil), without); d != "" {
		t.Errorf("recognizers that no case nearly matches:\n%s", d)
	}
}

// TestOpaqueOperator explains a model with an operator that nothing is known of.
func TestOpaqueOperator(t *testing.T) {
	blur := &ir.Op{
		Name: ir.OpName{Domain: "acme", Name: "Blur"}, Since: 1, Opaque: true, In: ir.P("x"), Out: ir.P("y"),
		Infer: func(n *ir.Node) ([]ir.Type, error) { return []ir.Type{n.In[0].Type}, nil },
	}
	for _, tt := range []struct{ name, rules, want string }{
		{"no line for it", "use attnlrp", "relevance cannot pass it: add the line `acme.Blur => stop`"},
		{"a rule that needs a derivative", "acme.Blur => epsilon\nuse attnlrp", "relevance cannot pass it: add the line `acme.Blur => stop`"},
		{"a stop", "acme.Blur => stop\nuse attnlrp", ""},
	} {
		m, err := ir.Parse("g (float[2] x) => (float[2] y) { b = acme.Blur (x) y = Add (b, x) }", ops.Standard().With(blur))
		if err != nil {
			t.Fatal(err)
		}
		rm, err := rules.Parse("test.rules", tt.rules, rules.Standard())
		if err != nil {
			t.Fatal(err)
		}
		_, err = passes.Default().Run(context.Background(), m, passes.Options{Rules: rm}, passes.Driver{})
		if (err == nil) != (tt.want == "") || err != nil && !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: error %v, want it to say %q", tt.name, err, tt.want)
		}
	}
}

func TestPanicOfAPassIsAnError(t *testing.T) {
	clumsy := passes.Pass{Name: "clumsy", Doc: "trips", Run: func(*passes.Context, *ir.Model) error { panic("index out of range") }}
	_, err := passes.Pipeline{clumsy}.Run(context.Background(), small(t), passes.Options{}, passes.Driver{})
	if err == nil || !strings.Contains(err.Error(), "pass clumsy broke off: index out of range [LX2002]") {
		t.Errorf("error %v, want one that names the pass", err)
	}
}

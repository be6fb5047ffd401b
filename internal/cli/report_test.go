package cli

import (
	"bytes"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/lxtc/lxtc/passes"
)

func newApp(env map[string]string) *app {
	return &app{color: "auto", env: func(name string) string { return env[name] }}
}

func TestGridMarks(t *testing.T) {
	for _, c := range []struct {
		name                       string
		op                         passes.Operator
		live, replaced, compatible string
	}{
		{"a rule in place of the derivative", passes.Operator{Live: true, Rule: "epsilon(1e-6, sign)"}, "✓", "✓", "✓"},
		{"data that moves needs none", passes.Operator{Live: true, Rule: "move"}, "✓", "-", "✓"},
		{"no rule", passes.Operator{Live: true, Why: "no line of short matches"}, "✓", "-", "✗"},
		{"not known", passes.Operator{Live: true, Why: "operator is not known"}, "✓", "-", "⁇"},
		{"not on the way", passes.Operator{Why: "not on the way to a target"}, "-", "-", "-"},
	} {
		k := kindOf(c.op)
		if k.live != c.live || k.replaced != c.replaced || k.compatible != c.compatible {
			t.Errorf("%s: live %s, replaced %s, compatible %s; want %s %s %s", c.name, k.live, k.replaced, k.compatible, c.live, c.replaced, c.compatible)
		}
	}
}

func TestParentModules(t *testing.T) {
	for _, c := range []struct{ name, class, scope, want string }{
		{"a class without its package", "transformers.models.llama.LlamaMLP", "model.layers.0.mlp", "LlamaMLP"},
		{"a path without layer numbers", "", "/m/layers.12/mlp", "/m/layers.*/mlp"},
		{"nothing around it", "", "", "Root"},
		{"PyTorch's word for nothing", "_empty_nn_module_stack_from_metadata_hook", "", "Root"},
	} {
		if got := parentOf(passes.Operator{Class: c.class, Scope: c.scope}); got != c.want {
			t.Errorf("%s: %q, want %q", c.name, got, c.want)
		}
	}
}

// Operators of one kind are one line, in the order of the model, those of a
// module together.
func TestReportGroupsOperators(t *testing.T) {
	rep := &passes.Report{
		Rules: "attnlrp", Form: "gradient", Explained: []string{"x"}, Targets: []string{"y[argmax]"},
		Operators: []passes.Operator{
			{Node: "a", Op: "MatMul", Class: "Linear", Live: true, Rule: "epsilon", At: "m.rules:1"},
			{Node: "b", Op: "Relu", Class: "MLP", Live: true, Rule: "identity", At: "m.rules:2"},
			{Node: "c", Op: "MatMul", Class: "Linear", Live: true, Rule: "epsilon", At: "m.rules:1"},
			{Node: "d", Op: "Exp", Why: "not on the way to a target"},
			{Node: "e", Op: "Exp", Why: "not on the way to a target"},
			{Node: "f", Op: "Sin", Live: true, Why: "no line of m matches"},
		},
	}
	var buf bytes.Buffer
	if err := newApp(nil).report(&buf, rep, 1); err != nil {
		t.Fatal(err)
	}
	want := strings.TrimLeft(`
attnlrp  gradient form
explains x
target   y[argmax]

Parent Module  Function  #  Recognised as  Live  Replaced  LRP compatible  Rule      Rule map
─────────────  ────────  ─  ─────────────  ────  ────────  ──────────────  ────────  ─────────
Linear         MatMul    2                 ✓     ✓         ✓               epsilon   m.rules:1
MLP            Relu      1                 ✓     ✓         ✓               identity  m.rules:2
Root           Sin       1                 ✓     -         ✗
✓ yes  ✗ no  ⁇ not known  - does not apply.  Live: on the way from what is explained to the target.

Left alone
  not on the way to a target: Exp ×2

NO RULE: relevance ends at these operators and is lost
  f (Sin): no line of m matches

Passes
`, "\n")
	if diff := cmp.Diff(want, buf.String()); diff != "" {
		t.Errorf("report (-want +got):\n%s", diff)
	}
}

func TestColors(t *testing.T) {
	for _, c := range []struct {
		name, flag string
		env        map[string]string
		colored    bool
	}{
		{"no terminal, no colours", "auto", nil, false},
		{"always", "always", nil, true},
		{"the flag is stronger than NO_COLOR", "always", map[string]string{"NO_COLOR": "1"}, true},
		{"forced", "auto", map[string]string{"CLICOLOR_FORCE": "1"}, true},
		{"NO_COLOR is stronger than CLICOLOR_FORCE", "auto", map[string]string{"CLICOLOR_FORCE": "1", "NO_COLOR": "1"}, false},
		{"an empty NO_COLOR does not count", "auto", map[string]string{"CLICOLOR_FORCE": "1", "NO_COLOR": ""}, true},
		{"never", "never", map[string]string{"CLICOLOR_FORCE": "1"}, false},
	} {
		a := newApp(c.env)
		a.color = c.flag
		var buf bytes.Buffer
		rep := &passes.Report{Operators: []passes.Operator{{Op: "Relu", Live: true, Rule: "identity"}}}
		if err := a.report(&buf, rep, 1); err != nil {
			t.Fatal(err)
		}
		if colored := strings.Contains(buf.String(), "\x1b["); colored != c.colored {
			t.Errorf("%s: coloured %v, want %v", c.name, colored, c.colored)
		}
	}
}

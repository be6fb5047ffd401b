package rules

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/lxtc/lxtc/ir"
)

func TestParse(t *testing.T) {
	const text = `# Title
#   and more.

Conv, ConvTranspose "*stem*" if first, not gate, const(1) => zbox(-2.1, 2.6)  # the first layer
Conv => gamma(gamma=0.1)
* if role(attention.*) => epsilon(plus, 1e-3)
lxt.Linear "a # b" => stop # a comment
`
	m, err := Parse("my.rules", text, Standard())
	if err != nil {
		t.Fatal(err)
	}
	type line struct {
		Ops       []string
		Name      string
		If        []string
		Call, Pos string
	}
	var got []line
	for _, l := range m.Lines {
		var conds []string
		for _, c := range l.If {
			conds = append(conds, c.Text)
		}
		got = append(got, line{l.Ops, l.Name, conds, l.Call.String(), l.Pos})
	}
	want := []line{
		{[]string{"Conv", "ConvTranspose"}, "*stem*", []string{"first", "not gate", "const(1)"}, "zbox(-2.1, 2.6, 1e-6, sign)", "my.rules:4"},
		{[]string{"Conv"}, "", nil, "gamma(0.1, 1e-6, sign, keep, signed)", "my.rules:5"},
		{[]string{"*"}, "", []string{"role(attention.*)"}, "epsilon(1e-3, plus, keep)", "my.rules:6"},
		{[]string{"lxt.Linear"}, "a # b", nil, "stop", "my.rules:7"},
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
	if m.Name != "my" || m.Doc != "Title\nand more." {
		t.Errorf("name %q, doc %q", m.Name, m.Doc)
	}
}

func TestParseErrors(t *testing.T) {
	for _, tt := range []struct{ name, text, want string }{
		{"no arrow", "Conv epsilon", "bad.rules:1:1: a line reads `Op, Op… [\"name\"] [if condition…] => rule`, and here is no => [LX5002]\n\tConv epsilon\n\t^"},
		{"no operator", "=> epsilon", "bad.rules:1:1: the name of an operator is missing [LX5002]\n\t=> epsilon\n\t^"},
		{"two operators without a comma", "Conv Gemm => epsilon", "bad.rules:1:1: \"Conv Gemm\" is no name of an operator; several are separated by commas [LX5002]\n\tConv Gemm => epsilon\n\t^"},
		{"a trailing comma", "  Conv, => epsilon", "bad.rules:1:9: the name of an operator is missing [LX5002]\n\t  Conv, => epsilon\n\t        ^"},
		{"an open quote", "Conv \"stem => epsilon", "bad.rules:1:6: the name glob stands in quotes, after the operators and before `if` [LX5002]\n\tConv \"stem => epsilon\n\t     ^"},
		{"something after the name", "Conv \"stem\" x => epsilon", "bad.rules:1:6: the name glob stands in quotes, after the operators and before `if` [LX5002]\n\tConv \"stem\" x => epsilon\n\t     ^"},
		{"an unknown rule", "Conv => epsilom(1e-6)", "bad.rules:1:9: no rule is called \"epsilom\", did you mean epsilon? [LX5003]\n\tConv => epsilom(1e-6)\n\t        ^\n\thelp: the rules are RULES"},
		{"no rule", "Conv =>", "bad.rules:1:8: the rule is missing [LX5003]\n\tConv =>\n\t       ^\n\thelp: the rules are RULES"},
		{"an open parenthesis", "Conv => epsilon(1e-6", "bad.rules:1:21: rule epsilon: a closing parenthesis is missing [LX5003]\n\tConv => epsilon(1e-6\n\t                    ^"},
		{"a parameter too many", "Conv => stop(1)", "bad.rules:1:14: rule stop: no parameter is left for \"1\" (there is none) [LX5002]\n\tConv => stop(1)\n\t             ^"},
		{"an unknown parameter", "Conv => epsilon(eta=1)", "bad.rules:1:17: rule epsilon: there is no parameter \"eta\" (there is PARAMS) [LX5002]\n\tConv => epsilon(eta=1)\n\t                ^"},
		{"a parameter twice", "Conv => epsilon(1, eps=2)", "bad.rules:1:20: rule epsilon: eps is given twice [LX5002]\n\tConv => epsilon(1, eps=2)\n\t                   ^"},
		{"a parameter that is no number", "Conv => epsilon(eps=big)", "bad.rules:1:17: rule epsilon: eps is \"big\", want a number [LX5002]\n\tConv => epsilon(eps=big)\n\t                ^"},
		{"a number that is not finite", "Conv => epsilon(inf)", "bad.rules:1:17: rule epsilon: eps is \"inf\", want a finite number of float32 [LX5002]\n\tConv => epsilon(inf)\n\t                ^"},
		{"a word that is no choice", "Conv => epsilon(stabilizer=minus)", "bad.rules:1:17: rule epsilon: stabilizer is \"minus\", want STABILIZERS [LX5002]\n\tConv => epsilon(stabilizer=minus)\n\t                ^"},
		{"a number in place of a word", "Conv => epsilon(1e-6, 2)", "bad.rules:1:23: rule epsilon: no parameter is left for \"2\" (there is PARAMS) [LX5002]\n\tConv => epsilon(1e-6, 2)\n\t                      ^"},
		{"an unknown condition", "Conv if frist => epsilon", "bad.rules:1:9: no condition is called \"frist\", did you mean first? (there are CONDITIONS) [LX5002]\n\tConv if frist => epsilon\n\t        ^"},
		{"a condition without its argument", "Conv if const => epsilon", "bad.rules:1:9: condition const takes an argument: const(i) [LX5002]\n\tConv if const => epsilon\n\t        ^"},
		{"a condition with an argument too many", "Conv if first(1) => epsilon", "bad.rules:1:9: condition first takes no argument [LX5002]\n\tConv if first(1) => epsilon\n\t        ^"},
		{"a condition with an open parenthesis", "Conv if const(1 => epsilon", "bad.rules:1:9: condition const: a closing parenthesis is missing [LX5002]\n\tConv if const(1 => epsilon\n\t        ^"},
		{"an argument that is no number", "Conv if not const(x) => epsilon", "bad.rules:1:9: condition const: \"x\" is no number [LX5002]\n\tConv if not const(x) => epsilon\n\t        ^"},
		{"a missing condition", "Conv if first, => epsilon", "bad.rules:1:16: a condition is missing [LX5002]\n\tConv if first, => epsilon\n\t               ^"},
		{"the same word earlier in the line", "Relu if n => Relu", "bad.rules:1:14: no rule is called \"Relu\" [LX5003]\n\tRelu if n => Relu\n\t             ^\n\thelp: the rules are RULES"},
		{"the second condition", "Relu if first, n => stop", "bad.rules:1:16: no condition is called \"n\" (there are CONDITIONS) [LX5002]\n\tRelu if first, n => stop\n\t               ^"},
		{"a parameter almost right", "Conv => epsilon(epss=1)", "bad.rules:1:17: rule epsilon: there is no parameter \"epss\", did you mean eps? (there is PARAMS) [LX5002]\n\tConv => epsilon(epss=1)\n\t                ^"},
		{"a word almost right", "Conv => epsilon( plsu)", "bad.rules:1:18: rule epsilon: no parameter takes \"plsu\", did you mean plus? (there is PARAMS) [LX5002]\n\tConv => epsilon( plsu)\n\t                 ^"},
		{"two dialects", "Conv => epsilon(lxt, captum)", "bad.rules:1:22: rule epsilon: lxt and captum are two dialects [LX5002]\n\tConv => epsilon(lxt, captum)\n\t                     ^"},
		{"a free parameter without a name", "Conv => epsilon(eps=$)", "bad.rules:1:17: rule epsilon: a free parameter is $ and letters, digits or _, and this is \"$\" [LX5002]\n\tConv => epsilon(eps=$)\n\t                ^"},
		{"a free parameter whose default is no number", "Conv => epsilon(eps=$e=x)", "bad.rules:1:17: rule epsilon: the default of $e is \"x\", want a number [LX5002]\n\tConv => epsilon(eps=$e=x)\n\t                ^"},
		{"a free word", "Conv => epsilon(stabilizer=$s)", "bad.rules:1:17: rule epsilon: stabilizer is \"$s\", want STABILIZERS [LX5002]\n\tConv => epsilon(stabilizer=$s)\n\t                ^"},
		{"two defaults of one free parameter", "Gemm => epsilon($e=1)\nConv => epsilon($e=2)", "bad.rules:2:9: the default of $e is 2 here and 1 above: one input has one default [LX5002]\n\tConv => epsilon($e=2)\n\t        ^"},
		{"two lengths of one free parameter", "Gemm => gamma($g[2])\nConv => gamma($g)", "bad.rules:2:9: $g is float here and float[2] above: one input has one type [LX5002]\n\tConv => gamma($g)\n\t        ^"},
		{"a free list for one number", "Conv => epsilon(eps=$e[2])", "bad.rules:1:17: rule epsilon: eps is one number, and $e is a list of 2 [LX5002]\n\tConv => epsilon(eps=$e[2])\n\t                ^"},
		{"a free list of another length than its default", "Conv => gamma(gamma=$g[2]=1/2/3)", "bad.rules:1:15: rule gamma: $g has 2 numbers, and its default 3 [LX5002]\n\tConv => gamma(gamma=$g[2]=1/2/3)\n\t              ^"},
		{"a free list of no numbers", "Conv => gamma(gamma=$g[0])", "bad.rules:1:15: rule gamma: \"$g[0]\" is not $name[n], for n numbers [LX5002]\n\tConv => gamma(gamma=$g[0])\n\t              ^"},
		{"an unknown map", "use atnlrp", "bad.rules:1:5: no rule map is called \"atnlrp\", did you mean attnlrp? (there are MAPS) [LX5002]\n\tuse atnlrp\n\t    ^"},
		{"a condition without if", "Conv first => stop", "bad.rules:1:6: a condition stands after `if`: `Conv if first` [LX5002]\n\tConv first => stop\n\t     ^"},
		{"two conditions without a comma", "Conv if first last => stop", "bad.rules:1:9: \"last\" follows condition first: conditions are separated by commas, and all of them must hold [LX5002]\n\tConv if first last => stop\n\t        ^"},
		{"nothing to negate", "Conv if not => stop", "bad.rules:1:9: a condition is missing after `not` [LX5002]\n\tConv if not => stop\n\t        ^"},
		{"not twice", "Conv if not  not first => stop", "bad.rules:1:9: `not` stands twice [LX5002]\n\tConv if not  not first => stop\n\t        ^"},
		{"use without a map", "use", "bad.rules:1:4: the map is missing [LX5002]\n\tuse\n\t   ^"},
		{"an argument is missing", "Conv => gamma(0.1, , sign)", "bad.rules:1:20: rule gamma: an argument is missing [LX5002]\n\tConv => gamma(0.1, , sign)\n\t                   ^"},
		{"a comma too many", "Conv => gamma(0.1,)", "bad.rules:1:19: rule gamma: an argument is missing [LX5002]\n\tConv => gamma(0.1,)\n\t                  ^"},
		{"no opening parenthesis", "Conv => gamma 0.1)", "bad.rules:1:15: rule gamma: \"0.1)\" follows it, and arguments stand in parentheses [LX5003]\n\tConv => gamma 0.1)\n\t              ^"},
		{"something after the arguments", "Conv => gamma(0.1) sign", "bad.rules:1:20: rule gamma: \"sign\" follows its closing parenthesis [LX5003]\n\tConv => gamma(0.1) sign\n\t                   ^"},
		{"a parenthesis too many", "Conv => gamma(0.1))", "bad.rules:1:19: rule gamma: \")\" follows its closing parenthesis [LX5003]\n\tConv => gamma(0.1))\n\t                  ^"},
		{"a free parameter by place without a name", "Conv => epsilon($)", "bad.rules:1:17: rule epsilon: a free parameter is $ and letters, digits or _, and this is \"$\" [LX5002]\n\tConv => epsilon($)\n\t                ^"},
		{"a free list by place for one number", "Conv => epsilon($e[2])", "bad.rules:1:17: rule epsilon: eps is one number, and $e is a list of 2 [LX5002]\n\tConv => epsilon($e[2])\n\t                ^"},
		{"a list for one number", "Conv => epsilon(1/2)", "bad.rules:1:17: rule epsilon: eps is \"1/2\", want a number [LX5002]\n\tConv => epsilon(1/2)\n\t                ^"},
		{"a negative stabilizer", "Conv => epsilon(-1e-6)", "bad.rules:1:17: rule epsilon: eps is -1e-6, want at least 0 [LX5002]\n\tConv => epsilon(-1e-6)\n\t                ^"},
		{"a free parameter with a negative default", "Conv => gamma($g=-1)", "bad.rules:1:15: rule gamma: gamma is $g=-1, want at least 0 [LX5002]\n\tConv => gamma($g=-1)\n\t              ^"},
		{"an alpha below one", "Conv => alphabeta(2/0.5)", "bad.rules:1:19: rule alphabeta: alpha is 2/0.5, want at least 1 [LX5002]\n\tConv => alphabeta(2/0.5)\n\t                  ^"},
		{"an expansion at x", "Conv => deep-taylor(1)", "bad.rules:1:21: rule deep-taylor: at is 1, want at least 0 and less than 1 [LX5002]\n\tConv => deep-taylor(1)\n\t                    ^"},
		{"a tab in front of the column", "\tConv => x", "bad.rules:1:10: no rule is called \"x\" [LX5003]\n\t Conv => x\n\t         ^\n\thelp: the rules are RULES"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, err := Parse("bad.rules", tt.text, Standard())
			if err == nil {
				t.Fatal("no error")
			}
			want := strings.NewReplacer("RULES", strings.Join(ruleNames(), ", "), "MAPS", strings.Join(Builtin(), ", "),
				"PARAMS", Epsilon.takes(), "CONDITIONS", strings.Join(conditionNames(), ", "), "STABILIZERS", "sign or plus or none or zeros or clip or scaled").Replace(tt.want)
			if d := cmp.Diff(want, err.Error()); d != "" {
				t.Error(d)
			}
		})
	}
}

func ruleNames() []string {
	var names []string
	for _, r := range Standard() {
		names = append(names, r.Name)
	}
	return names
}

func conditionNames() []string {
	var names []string
	for _, c := range conditions {
		names = append(names, c.name)
	}
	return names
}

func TestParseReportsEveryBadLine(t *testing.T) {
	_, err := Parse("bad.rules", "Conv epsilon\nGemm => epsilon\nGemm => x\n", Standard())
	if err == nil {
		t.Fatal("no error")
	}
	for _, want := range []string{"bad.rules:1:1:", "bad.rules:3:9:"} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("%v\nwant it to have %s", err, want)
		}
	}
	if strings.Contains(err.Error(), "bad.rules:2") {
		t.Errorf("%v\nline 2 is good", err)
	}
}

// A set of one's own replaces and adds rules.
func TestParseWithMoreRules(t *testing.T) {
	mine := &Rule{Name: "mine", Doc: "mine"}
	other := &Rule{Name: "epsilon", Doc: "another"}
	m, err := Parse("my.rules", "Conv => mine\nGemm => epsilon\nuse attnlrp", append(Standard(), mine, other, &Rule{Name: "taylor", Doc: "mine"}))
	if err == nil {
		t.Fatalf("attnlrp gives arguments to epsilon, which has none now: %v", m.Lines)
	}
	m, err = Parse("my.rules", "Conv => mine\nGemm => epsilon", append(Standard(), mine, other))
	if err != nil {
		t.Fatal(err)
	}
	if m.Lines[0].Call.Rule != mine || m.Lines[1].Call.Rule != other {
		t.Errorf("the rules are %v and %v", m.Lines[0].Call, m.Lines[1].Call)
	}
}

func TestUse(t *testing.T) {
	m, err := Parse("my.rules", "Softmax => stop\nuse attnlrp\n", Standard())
	if err != nil {
		t.Fatal(err)
	}
	base, err := Load("attnlrp")
	if err != nil {
		t.Fatal(err)
	}
	if len(m.Lines) != 1+len(base.Lines) || m.Lines[1].Pos != base.Lines[0].Pos {
		t.Errorf("%d lines, the second at %s", len(m.Lines), m.Lines[1].Pos)
	}
	softmax := &ir.Node{Op: ir.OpName{Name: "Softmax"}}
	if l := m.Lookup(Subject{Node: softmax}); l == nil || l.Call.Rule != Stop {
		t.Errorf("softmax has line %+v, want the first", l)
	}
	if l := base.Over(m).Lookup(Subject{Node: softmax}); l == nil || l.Call.Rule != Taylor {
		t.Errorf("softmax has line %+v of the map put over, want taylor", l)
	}
}

func TestBuiltinMapsParse(t *testing.T) {
	for _, name := range Builtin() {
		m, err := Load(name)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if m.Doc == "" || len(m.Lines) == 0 {
			t.Errorf("%s: want a comment at the top, and lines", name)
		}
	}
}

// A call is written so that it is read again as the same.
func TestCallString(t *testing.T) {
	for _, r := range Standard() {
		c := r.MustOf()
		d, err := Standard().Parse(c.String())
		if err != nil {
			t.Errorf("%s: %v", c, err)
			continue
		}
		if d.Rule != r || d.String() != c.String() {
			t.Errorf("%s is read as %s", c, d)
		}
	}
}

func TestRulesAreDocumented(t *testing.T) {
	for _, r := range Standard() {
		if r.Title() == "" || len(r.Title()) > 90 || r.Title() == r.Doc {
			t.Errorf("%s: want a short title, an empty line and a formula", r.Name)
		}
		if r.Relevance == nil {
			t.Errorf("%s has no explicit form", r.Name)
		}
		for _, p := range r.Params {
			if p.Doc == "" || p.check(p.Default) != nil {
				t.Errorf("%s: parameter %s: want a doc and a default that it takes", r.Name, p.Name)
			}
		}
	}
}

// A dialect says what it stands for, and other arguments win over it wherever
// they stand.
func TestDialects(t *testing.T) {
	for _, r := range Standard() {
		words := map[string]bool{}
		for _, p := range r.Params {
			for _, w := range p.Choices {
				words[w] = true
			}
		}
		for _, d := range r.Dialects {
			if words[d.Name] {
				t.Errorf("%s: %s is the name of two words", r.Name, d.Name)
			}
			words[d.Name] = true
			if got, want := r.MustOf(d.Name).String(), r.MustOf(d.Args...).String(); got != want {
				t.Errorf("%s(%s) is %s, want %s", r.Name, d.Name, got, want)
			}
		}
	}
	for text, want := range map[string]string{
		"gamma(0.1, captum)":                "gamma(0.1, 1e-9, sign, full, plain)",
		"gamma(captum, 0.1)":                "gamma(0.1, 1e-9, sign, full, plain)",
		"gamma(signed, captum)":             "gamma(0.25, 1e-9, sign, full, signed)",
		"alphabeta(1, innvestigate, zero)":  "alphabeta(1, 1e-7, zeros, zero, signed)",
		"epsilon(0.1, innvestigate)":        "epsilon(0.1, sign, keep)",
		"gamma(zennit, gamma=$g=0.5, plus)": "gamma($g=0.5, 1e-6, plus, keep, signed)",
	} {
		c, err := Standard().Parse(text)
		if err != nil || c.String() != want {
			t.Errorf("%s is read as %s (%v), want %s", text, c, err, want)
		}
	}
}

// FuzzRules checks that parsing ends without a panic, that each line of what it
// accepts can be parsed again, and that lookups end.
func FuzzRules(f *testing.F) {
	for _, name := range Builtin() {
		text, err := Source(name)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(text)
	}
	f.Add("Conv => gamma($g=0.5, captum)\nGemm => zplus(eps=$e)")
	f.Add("Conv \"*st?em*\" if first, not gate, class(\"a*\") => zbox(low=-2, high=3)\n* => stop#")
	n := &ir.Node{Op: ir.OpName{Name: "Conv"}, Name: "a/stem", Role: "role", Scopes: []ir.Scope{{Name: "a.b", Class: "m.C"}}}
	yes := func(*ir.Value) bool { return true }
	f.Fuzz(func(t *testing.T, text string) {
		m, err := Parse("fuzz.rules", text, Standard())
		if err != nil {
			_ = err.Error()
			return
		}
		m.Lookup(Subject{Node: n, Flows: yes, Depends: yes})
		for _, l := range m.Lines {
			again, err := Parse("fuzz.rules", l.Text, Standard())
			if err != nil || len(again.Lines) != 1 || again.Lines[0].Call.String() != l.Call.String() {
				t.Fatalf("line %q is read as %v, %v", l.Text, again, err)
			}
		}
	})
}

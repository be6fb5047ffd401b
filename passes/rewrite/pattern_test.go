package rewrite

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/lxtc/lxtc/ir"
	"github.com/lxtc/lxtc/ir/ops"
)

func TestParseErrors(t *testing.T) {
	for _, tt := range []struct{ name, text, want string }{
		{"nothing", "", "pattern:1:1: a pattern has at least one line"},
		{"no root name", "Add (x, y)", "pattern:1:5: want \"=\", got \"(\""},
		{"a line twice", "a = Neg (x)\na = Neg (x)", "pattern:2:3: a is defined twice"},
		{"a line that nothing refers to", "m = Neg (x)\ny = Add (x, n)", "pattern:1:1: nothing refers to m"},
		{"a line that refers to itself", "y = Neg (y)", "pattern:1:1: y refers to itself"},
		{"lines that refer to each other", "a = Neg (b)\nb = Neg (a)\ny = Neg (b)", "pattern:1:1: b refers to itself"},
		{"no operand list", "y = Neg?", "pattern:1:9: operator Neg wants operands"},
		{"open parenthesis", "y = Neg (x", "pattern:1:11: want \")\", got \"\""},
		{"optional operator of two", "y = Add? (a, b)", "pattern:1:16: an optional operator has one operand"},
		{"attribute without value", "y = Neg <a> (x)", "pattern:1:11: want \"=\", got \">\""},
		{"attribute that is a name", "y = Neg <a = b> (x)", "pattern:1:14: \"b\" is not a number"},
		{"bad string", "y = Neg <a = \"b> (x)", "pattern:1:14: \"\\\"b> (x)\" is not a string"},
		{"minus without a number", "y = Add (x, -x)", "pattern:1:14: \"x\" is not a number"},
		{"two dots", "y = Add (x, ..)", "pattern:1:15: want \".\", got \")\""},
		{"a character that means nothing", "y = Neg (x) &", "pattern:1:13: want Ident, got \"&\""},
		{"an alternative that is missing", "y = Neg (x) |", "pattern:1:14: want Ident, got \"\""},
		{"the root is no operator", "y = x", "pattern:1:1: the root y is no operator"},
		{"one choice for the root is no operator", "y = Neg (x) | x", "pattern:1:1: the root y is no operator"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, err := Parse(tt.text)
			if err == nil {
				t.Fatal("no error")
			}
			if d := cmp.Diff(tt.want, err.Error()); d != "" {
				t.Error(d)
			}
		})
	}
}

func TestRoots(t *testing.T) {
	for _, tt := range []struct {
		text string
		want []string
		size int
	}{
		{"y = Add (x, 1)", []string{"Add"}, 1},
		{"y = Add/Sub (Neg (x), 1)", []string{"Add", "Sub"}, 2},
		{"y = Cast? (Add (x, 1))", []string{"Cast", "Add"}, 1},
		{"n = Neg (x)\ny = Mul (n, n) | n", []string{"Mul", "Neg"}, 2},
	} {
		p, err := Parse(tt.text)
		if err != nil {
			t.Fatalf("%s: %v", tt.text, err)
		}
		if d := cmp.Diff(tt.want, p.Roots()); d != "" {
			t.Errorf("%s: roots differ:\n%s", tt.text, d)
		}
		if p.Size() != tt.size {
			t.Errorf("%s: size %d, want %d", tt.text, p.Size(), tt.size)
		}
	}
}

func TestMatch(t *testing.T) {
	const float = "float[2,3] "
	for _, tt := range []struct {
		name, pattern, nodes string
		want                 string // bindings, in the order of names; or the failure
	}{
		{"an operator", "y = Neg (x)", "y = Neg (a)", "x=a"},
		{"another operator", "y = Neg (x)", "y = Exp (a)", "matched 0 operators, then y is Exp, not Neg"},
		{"either operator", "y = Neg/Exp (x)", "y = Exp (a)", "x=a"},
		{"a chain", "y = Neg (Exp (x))", "e = Exp (a) y = Neg (e)", "x=a"},
		{"a line binds its name", "e = Exp (x)\ny = Neg (e)", "h = Exp (a) y = Neg (h)", "e=h x=a"},
		{"the first choice", "y = Neg (Exp (x) | Log (x))", "h = Exp (a) y = Neg (h)", "x=a"},
		{"the second choice", "y = Neg (Exp (x) | Log (x))", "h = Log (a) y = Neg (h)", "x=a"},
		{"no choice", "y = Neg (Exp (x) | Log (x))", "h = Abs (a) y = Neg (h)", "matched 1 operator, then h is Abs, not Exp"},
		{"a choice taken back", "e = Exp (x) | x\ny = Mul (Log (e), Neg (Exp (x)))", "e = Exp (a) l = Log (e) f = Exp (e) n = Neg (f) y = Mul (l, n)", "e=e x=e"},
		{"optional and there", "y = Neg (Exp? (x))", "h = Exp (a) y = Neg (h)", "x=a"},
		{"optional and not there", "y = Neg (Exp? (x))", "y = Neg (a)", "x=a"},
		{"optional and better left out", "y = Mul (Exp? (x), x)", "h = Exp (a) y = Mul (h, h)", "x=h"},
		{"commuted", "y = Add (Neg (x), Exp (x))", "n = Neg (a) e = Exp (a) y = Add (e, n)", "x=a"},
		{"commuted, inside and outside", "y = Mul (Add (Neg (x), z), u)", "n = Neg (a) s = Add (b, n) y = Mul (a, s)", "u=a x=a z=b"},
		{"not commuted", "y = Sub (Neg (x), z)", "n = Neg (a) y = Sub (b, n)", "matched 1 operator, then b is no result of a node, want Neg"},
		{"a repeated name", "y = Mul (x, x)", "y = Mul (a, a)", "x=a"},
		{"a repeated name of two values", "y = Mul (x, x)", "y = Mul (a, b)", "matched 1 operator, then x is b here and a before"},
		{"a repeated line", "n = Neg (x)\ny = Mul (n, n)", "n = Neg (a) y = Mul (n, n)", "n=n x=a"},
		{"a number", "y = Mul (x, 0.5)", "c = Constant <value = float {0.5}> () y = Mul (c, a)", "x=a"},
		{"a negative number", "y = Mul (x, -2)", "c = Constant <value = float {-2.0}> () y = Mul (c, a)", "x=a"},
		{"a number of another value", "y = Mul (x, 0.5)", "c = Constant <value = float {0.25}> () y = Mul (a, c)", "matched 1 operator, then c is 0.25, not 0.5"},
		{"a number that is none", "y = Sub (x, 0.5)", "y = Sub (a, b)", "matched 1 operator, then b is not the constant 0.5"},
		{"a number near zero", "y = Add (x, 0)", "c = Constant <value = float {1e-9}> () y = Sub (a, c) ", "matched 0 operators, then y is Sub, not Add"},
		{"anything", "y = Clip (x, _, _)", "y = Clip (a)", "x=a"},
		{"an omitted operand", "y = Clip (x, lo)", "y = Clip (a)", "matched 1 operator, then operand lo is omitted"},
		{"an omitted operand where an operator is wanted", "y = Clip (x, Neg (lo))", "y = Clip (a)", "matched 1 operator, then an operand is omitted, want Neg"},
		{"an omitted operand where a number is wanted", "y = Clip (x, 0)", "y = Clip (a)", "matched 1 operator, then _ is not the constant 0"},
		{"an operand too many", "y = Clip (x, lo)", "c = Constant <value = float {0.5}> () y = Clip (a, c, c)", "matched 0 operators, then Clip->y has 3 operands, want 2"},
		{"further operands are open", "y = Clip (x, ...)", "c = Constant <value = float {0.5}> () y = Clip (a, c, c)", "x=a"},
		{"all operands are open", "y = Neg (...)", "y = Neg (a)", ""},
		{"an int attribute", "y = Softmax <axis = 1> (x)", "y = Softmax <axis = 1> (a)", "x=a"},
		{"another int attribute", "y = Softmax <axis = 1> (x)", "y = Softmax <axis = 0> (a)", "matched 0 operators, then Softmax->y: attribute axis is not 1"},
		{"an int attribute left out", "y = Softmax <axis = 1> (x)", "y = Softmax (a)", "matched 0 operators, then Softmax->y: attribute axis is not 1"},
		{"a float attribute", "y = Elu <alpha = 0.5> (x)", "y = Elu <alpha = 0.5> (a)", "x=a"},
		{"a float attribute that is whole", "y = Elu <alpha = 2.0> (x)", "y = Elu <alpha = 2.0> (a)", "x=a"},
		{"another float attribute", "y = Elu <alpha = 0.5> (x)", "y = Elu <alpha = 0.25> (a)", "matched 0 operators, then Elu->y: attribute alpha is not 0.5"},
		{"a string attribute", `y = Gelu <approximate = "tanh"> (x)`, `y = Gelu <approximate = "tanh"> (a)`, "x=a"},
		{"another string attribute", `y = Gelu <approximate = "tanh"> (x)`, `y = Gelu (a)`, `matched 0 operators, then Gelu->y: attribute approximate is "", not "tanh"`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			m, err := ir.Parse("g ("+float+"a, "+float+"b) => (y) { "+tt.nodes+" }", ops.Standard())
			if err != nil {
				t.Fatal(err)
			}
			p, err := Parse(tt.pattern)
			if err != nil {
				t.Fatal(err)
			}
			match, failure := p.Match(m.Graph.Outputs[0].Def, m.Ops)
			got := ""
			if failure != nil {
				got = failure.Error()
			} else {
				got = bindings(match)
			}
			if d := cmp.Diff(tt.want, got); d != "" {
				t.Error(d)
			}
		})
	}
}

func bindings(m *Match) string {
	var parts []string
	for name, v := range m.vals {
		if v != m.Root.Out[0] {
			parts = append(parts, name+"="+v.Name)
		}
	}
	slices.Sort(parts)
	return strings.Join(parts, " ")
}

// Alternatives multiply: this pattern has 3²⁰ ways to fail.
func TestMatchingEnds(t *testing.T) {
	pattern, nodes := "x0 = Neg (x)\n", "v0 = Exp (a)\n"
	for i := range 20 {
		a, b := string(rune('0'+i/10))+string(rune('0'+i%10)), string(rune('0'+(i+1)/10))+string(rune('0'+(i+1)%10))
		if i == 0 {
			a = "0"
		}
		pattern += "x" + b + " = Mul (x" + a + ", _) | Mul (_, x" + a + ") | Mul (x" + a + ", x" + a + ")\n"
		nodes += "v" + b + " = Mul (v" + a + ", v" + a + ")\n"
	}
	p, err := Parse(pattern)
	if err != nil {
		t.Fatal(err)
	}
	m, err := ir.Parse("g (float a) => (v20) {"+nodes+"}", ops.Standard())
	if err != nil {
		t.Fatal(err)
	}
	start := time.Now()
	if _, failure := p.Match(m.Graph.Outputs[0].Def, m.Ops); failure == nil {
		t.Error("it matches")
	}
	if d := time.Since(start); d > time.Second {
		t.Errorf("it took %v, want less than a second", d)
	}
}

// FuzzPattern checks that parsing ends without a panic, that what it accepts
// can be parsed again, and that matching it ends.
func FuzzPattern(f *testing.F) {
	f.Add("y = Neg (x)")
	f.Add("c = Cast? (x)\nn = Div (c, s) | Mul (c, Reciprocal (s))\ny = Mul (Cast? (n), w)")
	f.Add(`y = Add/Sub <axis = -1, mode = "a\n"> (_, 1e-5, ...)`)
	f.Add("y = ((Neg (x)) | Exp (-1))")
	m, err := ir.Parse("g (float a) => (y) { b = Neg (a) c = Mul (b, b) d = Add (c, b) y = Mul (d, c) }", ops.Standard())
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, text string) {
		p, err := Parse(text)
		if err != nil {
			return
		}
		q, err := Parse(p.String())
		if err != nil {
			t.Fatalf("its text is not accepted: %v", err)
		}
		if !slices.Equal(p.Roots(), q.Roots()) {
			t.Errorf("the roots were %v and are %v", p.Roots(), q.Roots())
		}
		for n := range m.Graph.Nodes() {
			match, failure := p.Match(n, m.Ops)
			if (match == nil) == (failure == nil) {
				t.Errorf("match %v, failure %v", match, failure)
			}
		}
	})
}

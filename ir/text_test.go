package ir

import (
	"bytes"
	"errors"
	"flag"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/rogpeppe/go-internal/txtar"
)

var update = flag.Bool("update", false, "rewrite the printed texts in testdata")

func mustParse(t testing.TB, text string) *Model {
	t.Helper()
	m, err := Parse(text, testOps)
	if err != nil {
		t.Fatalf("%v\n%s", err, text)
	}
	return m
}

func printed(t testing.TB, m *Model, opt PrintOptions) string {
	t.Helper()
	var sb strings.Builder
	if err := Print(&sb, m, opt); err != nil {
		t.Fatal(err)
	}
	return sb.String()
}

// roundTrip checks that the text of m is that of the same model.
func roundTrip(t testing.TB, m *Model) {
	t.Helper()
	if err := Verify(m); err != nil {
		t.Errorf("the model is broken:\n%v", err)
	}
	text := printed(t, m, PrintOptions{Weights: true, Comments: true})
	again, err := Parse(text, testOps)
	if err != nil {
		t.Fatalf("the printed text cannot be parsed: %v\n%s", err, text)
	}
	if err := Verify(again); err != nil {
		t.Errorf("the parsed text is broken:\n%v", err)
	}
	if d := Diff(m.Graph, again.Graph); d != "" {
		t.Errorf("the parsed text differs from what was printed: %s\n%s", d, text)
	}
	if d := cmp.Diff(printed(t, m, PrintOptions{Weights: true}), printed(t, again, PrintOptions{Weights: true})); d != "" {
		t.Errorf("printing, parsing and printing again changes the text (-first +second):\n%s", d)
	}
	for _, f := range m.Funcs {
		if d := cmp.Diff(FuncText(f), FuncText(again.Func(f.Op))); d != "" {
			t.Errorf("function %s (-first +second):\n%s", f.Op, d)
		}
	}
}

func TestPrintAndParse(t *testing.T) {
	files, err := filepath.Glob("testdata/text/*.txtar")
	if err != nil || len(files) == 0 {
		t.Fatalf("no corpus: %v", err)
	}
	for _, name := range files {
		ar, err := txtar.ParseFile(name)
		if err != nil {
			t.Fatal(err)
		}
		for i := 0; i+1 < len(ar.Files); i += 2 {
			in, out := ar.Files[i], &ar.Files[i+1]
			t.Run(filepath.Base(name)+"/"+in.Name, func(t *testing.T) {
				m := mustParse(t, string(in.Data))
				roundTrip(t, m)
				got := m.Text()
				if *update {
					out.Data = []byte(got)
				}
				if d := cmp.Diff(string(out.Data), got); d != "" {
					t.Errorf("printed text (-want +got):\n%s", d)
				}
			})
		}
		if *update {
			if err := os.WriteFile(name, txtar.Format(ar), 0o666); err != nil {
				t.Fatal(err)
			}
		}
	}
}

// wantComment is what a bad text says of its error, in the line where it is.
var wantComment = regexp.MustCompile("# want ([`\"].*)")

func TestParseErrors(t *testing.T) {
	files, err := filepath.Glob("testdata/bad/*.txtar")
	if err != nil || len(files) == 0 {
		t.Fatalf("no corpus: %v", err)
	}
	for _, name := range files {
		ar, err := txtar.ParseFile(name)
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range ar.Files {
			t.Run(filepath.Base(name)+"/"+f.Name, func(t *testing.T) {
				line, want := 0, ""
				for i, s := range bytes.Split(f.Data, []byte("\n")) {
					if m := wantComment.FindSubmatch(s); m != nil {
						w, err := strconv.Unquote(string(m[1]))
						if err != nil {
							t.Fatalf("line %d: bad comment %s", i+1, m[1])
						}
						line, want = i+1, w
					}
				}
				if line == 0 {
					t.Fatal("the text does not say which error is wanted")
				}
				_, err := Parse(string(f.Data), testOps)
				var se *SyntaxError
				if !errors.As(err, &se) {
					t.Fatalf("got %v, want %q in line %d", err, want, line)
				}
				if se.Msg != want || se.Line != line {
					t.Errorf("got  line %d: %s\nwant line %d: %s", se.Line, se.Msg, line, want)
				}
			})
		}
	}
}

func TestParseErrorsSayTheColumn(t *testing.T) {
	for _, c := range []struct{ text, want string }{
		{"", "1:1: got the end, want the name of a graph"},
		{"g (float[2] x) => (float[2] y) {\n\ty = Neg (\u00fc)\n}", "2:11: got ü, want ',' or ')'"},
		{"\"ü\" (float[2] x) => (float[2] y) { y = Nex (x) }", "1:40: unknown operator Nex, did you mean Neg?"},
		{"g (float[2] x) => (float[2] y) { y = Neg (x) ", "1:45: got the end, want '=' and an operator, or '}'"},
	} {
		_, err := Parse(c.text, testOps)
		if err == nil || err.Error() != c.want {
			t.Errorf("%q:\ngot  %v\nwant %s", c.text, err, c.want)
		}
	}
}

func TestCommentsSayWhereNodesComeFrom(t *testing.T) {
	m := mustParse(t, "g (float[2] x) => (float[2] y) { a = Neg (x) y = Neg (a) }")
	n := m.Graph.Outputs[0].Def
	n.Origin, n.Role = "fold/neg <- Neg->b\n# x", "gate"
	want := "  y = Neg (a)  # gate; fold/neg <- Neg->b # x\n"
	if got := printed(t, m, PrintOptions{Comments: true}); !strings.Contains(got, want) {
		t.Errorf("got\n%s\nwant in it %q", got, want)
	}
	if got := m.Text(); strings.Contains(got, "#") {
		t.Errorf("Text has comments:\n%s", got)
	}
}

func TestGraphTextIsTheGraph(t *testing.T) {
	m := mustParse(t, "g (float[2] x, int64[1] s) => (float[?] y) { a = Reshape (x, s) y = Neg (a) }")
	want := "g (float[2] x, int64[1] s) => (float[] y) {\n  a = Reshape (x, s)\n  y = Neg (a)\n}\n"
	m.Graph.Outputs[0].Type.Shape = nil
	if d := cmp.Diff(want, GraphText(m.Graph)); d != "" {
		t.Errorf("(-want +got):\n%s", d)
	}
}

func TestFuncTextIgnoresNames(t *testing.T) {
	text := func(body string) string {
		m := mustParse(t, "<domain: \"lxt\"> "+body)
		return FuncText(m.Funcs[0])
	}
	a := text("F <axis: int = 1> (x, r) => (z) { [n] y = Softmax <axis: int = @axis> (x) z = Mul (r, y) }")
	for name, c := range map[string]struct {
		body  string
		equal bool
	}{
		"other names":    {"Other <axis: int = 1> (a, b) => (d) { c = Softmax <axis: int = @axis> (a) d = Mul (b, c) }", true},
		"other operands": {"F <axis: int = 1> (x, r) => (z) { y = Softmax <axis: int = @axis> (x) z = Mul (y, r) }", false},
		"other default":  {"F <axis: int = 2> (x, r) => (z) { y = Softmax <axis: int = @axis> (x) z = Mul (r, y) }", false},
		"no attribute":   {"F (x, r) => (z) { y = Softmax <axis = 1> (x) z = Mul (r, y) }", false},
		"other output":   {"F <axis: int = 1> (x, r) => (y) { y = Softmax <axis: int = @axis> (x) z = Mul (r, y) }", false},
		"swapped inputs": {"F <axis: int = 1> (r, x) => (z) { y = Softmax <axis: int = @axis> (x) z = Mul (r, y) }", false},
	} {
		t.Run(name, func(t *testing.T) {
			if b := text(c.body); (a == b) != c.equal {
				t.Errorf("equal is %t, want %t:\n%s\n%s", a == b, c.equal, a, b)
			}
		})
	}
}

func FuzzParse(f *testing.F) {
	for _, dir := range []string{"text", "bad"} {
		files, err := filepath.Glob("testdata/" + dir + "/*.txtar")
		if err != nil || len(files) == 0 {
			f.Fatalf("no corpus: %v", err)
		}
		for _, name := range files {
			ar, err := txtar.ParseFile(name)
			if err != nil {
				f.Fatal(err)
			}
			for _, file := range ar.Files {
				f.Add(string(file.Data))
			}
		}
	}
	f.Fuzz(func(t *testing.T, text string) {
		m, err := Parse(text, testOps)
		if err != nil {
			var se *SyntaxError
			if !errors.As(err, &se) || se.Line < 1 || se.Col < 1 {
				t.Fatalf("%#v is no syntax error", err)
			}
			return
		}
		roundTrip(t, m)
		if Hash(m) != Hash(m.Clone()) {
			t.Error("a clone has another hash")
		}
	})
}

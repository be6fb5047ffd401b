package rules

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/google/go-cmp/cmp"
)

// folder makes a file system of maps.
func folder(files ...string) fstest.MapFS {
	fsys := fstest.MapFS{}
	for i := 0; i < len(files); i += 2 {
		fsys[files[i]] = &fstest.MapFile{Data: []byte(files[i+1])}
	}
	return fsys
}

// A map's own files are found from the file that names them, and positions say
// in which file a line stands.
func TestUseFiles(t *testing.T) {
	fsys := folder(
		"main.rules", "Softmax => stop\nuse sub/conv.rules\nuse \"my base.rules\" (eps=1e-4)\n",
		"sub/conv.rules", "# a comment\nConv => gamma\nuse ../act.rules\n",
		"act.rules", "Relu => pass\n",
		"my base.rules", "\nGemm => epsilon\nMatMul => epsilon(eps=1e-3)\nuse act.rules\nuse gradient",
		"gradient.rules", "Add => stop",
		"other.rules", "use gradient.rules\nuse gradient",
	)
	for _, tt := range []struct {
		file string
		want []string
	}{
		{"main.rules", []string{
			"main.rules:1 Softmax => stop",
			"sub/conv.rules:2 Conv => gamma",
			"act.rules:1 Relu => pass",
			"my base.rules:2 Gemm => epsilon(1e-4, sign, keep)",
			"my base.rules:3 MatMul => epsilon(1e-4, sign, keep)", // and not act.rules once more
			"gradient.rules:4 * => gradient",
		}},
		{"other.rules", []string{"./gradient.rules:1 Add => stop", "gradient.rules:4 * => gradient"}},
	} {
		m, err := ParseFS(fsys, tt.file, Standard())
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, l := range m.Lines {
			got = append(got, l.Pos+" "+strings.Join(strings.Fields(l.Text), " "))
		}
		if d := cmp.Diff(tt.want, got); d != "" {
			t.Error(d)
		}
	}
}

func TestUseErrors(t *testing.T) {
	for _, tt := range []struct {
		name string
		fsys fstest.MapFS
		want string
	}{
		{"a bad line of a file that a used file uses", folder("a.rules", "\n use b.rules", "b.rules", "use c.rules", "c.rules", "Conv => x"), "c.rules:1:9: no rule is called \"x\" [LX5003]\n\tConv => x\n\t        ^\n\tused at b.rules:1\n\tused at a.rules:2\n\thelp: the rules are RULES"},
		{"a map that uses itself", folder("a.rules", "use a.rules"), "a.rules:1:5: map a.rules uses itself: a.rules → a.rules [LX5002]\n\tuse a.rules\n\t    ^"},
		{"a circle", folder("a.rules", "use d/b.rules", "d/b.rules", "use c.rules", "d/c.rules", "Conv => stop\nuse b.rules"), "d/c.rules:2:5: map d/b.rules uses itself: d/b.rules → d/c.rules → d/b.rules [LX5002]\n\tuse b.rules\n\t    ^\n\tused at d/b.rules:1\n\tused at a.rules:1"},
		{"a folder above", folder("a.rules", "use ../b.rules"), "a.rules:1:5: ../b.rules is not in the folder of the map that lxtc was given [LX5002]\n\tuse ../b.rules\n\t    ^\n\thelp: a map uses files of that folder and of folders in it, by their names relative to its own"},
		{"an absolute path", folder("a.rules", "use /etc/b.rules", "etc/b.rules", ""), "a.rules:1:5: /etc/b.rules is not in the folder of the map that lxtc was given [LX5002]\n\tuse /etc/b.rules\n\t    ^\n\thelp: a map uses files of that folder and of folders in it, by their names relative to its own"},
		{"no such file", folder("a.rules", "use b.rules"), "a.rules:1:5: there is no file b.rules [LX5002]\n\tuse b.rules\n\t    ^"},
		{"almost a file", folder("a.rules", "use d/bsae.rules", "d/base.rules", ""), "a.rules:1:5: there is no file d/bsae.rules, did you mean d/base.rules? [LX5002]\n\tuse d/bsae.rules\n\t    ^"},
		{"a file without its ending", folder("a.rules", "use b", "b.rules", ""), "a.rules:1:5: no rule map is called \"b\" (there are MAPS) [LX5002]\n\tuse b\n\t    ^\n\thelp: there is a file of that name: write `use b.rules`"},
		{"no map", folder("a.rules", `use ""`), "a.rules:1:5: the map is missing [LX5002]\n\tuse \"\"\n\t    ^"},
		{"an open quote", folder("a.rules", `use "b.rules`), "a.rules:1:5: a closing quote is missing [LX5002]\n\tuse \"b.rules\n\t    ^"},
		{"an open parenthesis", folder("a.rules", "use attnlrp(eps=1"), "a.rules:1:5: a map is its name, and arguments in parentheses if there are any: `use attnlrp(eps=1e-4)` [LX5002]\n\tuse attnlrp(eps=1\n\t    ^"},
		{"an argument without a name", folder("a.rules", "use attnlrp(1e-4)"), "a.rules:1:13: \"1e-4\" does not say which parameter: write name=1e-4 [LX5002]\n\tuse attnlrp(1e-4)\n\t            ^"},
		{"an argument that no rule takes", folder("a.rules", "use gradient-input(eps=1, gama=2)"), "a.rules:1:27: no rule of it has a parameter \"gama\" (there are absorbed, bias, eps, stabilizer) [LX5002]\n\tuse gradient-input(eps=1, gama=2)\n\t                          ^"},
		{"another default of a free parameter", folder("a.rules", "Conv => epsilon($e=1)\nuse gradient-input(eps=$e=2)"), "a.rules:2:20: the default of $e is 2 here and 1 above: one input has one default [LX5002]\n\tuse gradient-input(eps=$e=2)\n\t                   ^"},
		{"an argument of another kind", folder("a.rules", "use gradient-input(absorbed=yes)"), "a.rules:1:20: rule epsilon: absorbed is \"yes\", want kept or shared or active [LX5002]\n\tuse gradient-input(absorbed=yes)\n\t                   ^"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, err := ParseFS(tt.fsys, "a.rules", Standard())
			if err == nil {
				t.Fatal("no error")
			}
			want := strings.NewReplacer("RULES", strings.Join(ruleNames(), ", "), "MAPS", strings.Join(Builtin(), ", ")).Replace(tt.want)
			if d := cmp.Diff(want, err.Error()); d != "" {
				t.Error(d)
			}
		})
	}
	if _, err := Parse("a.rules", "use b.rules", Standard()); err == nil || !strings.Contains(err.Error(), "read the map with rules.Open") {
		t.Errorf("error %v, want that text has no folder", err)
	}
}

// Many ways to the same map are one: the first.
func TestUseManyTimes(t *testing.T) {
	fsys := fstest.MapFS{"m0.rules": {Data: []byte("Conv => stop")}}
	name := "m0.rules"
	for i := range 40 {
		for _, side := range []string{"a", "b"} {
			fsys[side+name] = &fstest.MapFile{Data: []byte("use " + name)}
		}
		next := "m" + strings.Repeat("i", i+1) + ".rules"
		fsys[next] = &fstest.MapFile{Data: []byte("use a" + name + "\nuse b" + name)}
		name = next
	}
	m, err := ParseFS(fsys, name, Standard())
	if err != nil || len(m.Lines) != 1 {
		t.Errorf("%d lines (%v), want 1", len(m.Lines), err)
	}
}

func TestOpen(t *testing.T) {
	dir := t.TempDir()
	for name, text := range map[string]string{
		"maps/my.rules": "Conv => gamma\nuse more.rules(eps=2)\n", "maps/more.rules": "Gemm => epsilon", "plain": "* => stop", "a (b).rules": "* => stop",
		"secret.rules": "* => stop", "maps/escape.rules": "use link.rules", "maps/up.rules": "use ../secret.rules",
	} {
		path := filepath.Join(dir, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(path), 0o777); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o666); err != nil {
			t.Fatal(err)
		}
	}
	linked := os.Symlink(filepath.Join("..", "secret.rules"), filepath.Join(dir, "maps", "link.rules")) == nil
	t.Chdir(dir)
	calls := func(m *Map) (all []string) {
		for _, l := range m.Lines {
			all = append(all, l.Pos+" "+l.Call.String())
		}
		return all
	}
	for ref, want := range map[string][]string{
		"maps/my.rules":                         {"my.rules:1 gamma(0.25, 1e-6, sign, keep, signed)", "more.rules:1 epsilon(2, sign, keep)"},
		"maps/my.rules(eps=3, stabilizer=plus)": {"my.rules:1 gamma(0.25, 3, plus, keep, signed)", "more.rules:1 epsilon(3, plus, keep)"},
		"plain":                                 {"plain:1 stop"},
		"a (b).rules":                           {"a (b).rules:1 stop"},
		"gradient":                              {"gradient.rules:4 gradient"},
		"gradient-input(absorbed=shared)":       {"gradient-input.rules:4 epsilon(1e-9, zeros, keep, shared)"},
	} {
		m, err := Open(ref, Standard())
		if err != nil {
			t.Errorf("%s: %v", ref, err)
			continue
		}
		if d := cmp.Diff(want, calls(m)); d != "" {
			t.Errorf("%s: %s", ref, d)
		}
	}
	for ref, want := range map[string]string{
		"maps/up.rules":           "up.rules:1:5: ../secret.rules is not in the folder of the map",
		"gradiant":                `no rule map is called "gradiant", and there is no such file, did you mean gradient?`,
		"gradient(eps=1":          "arguments in parentheses",
		"gradient-input(epsil=1)": `map gradient-input: no rule of it has a parameter "epsil"`,
		"gone.rules":              "gone.rules: no such file",
		"maps/escape.rules":       "escape.rules:1:5: openat link.rules: path escapes from parent",
	} {
		if ref == "maps/escape.rules" && !linked {
			continue
		}
		if _, err := Open(ref, Standard()); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: error %v, want %q", ref, err, want)
		}
	}
	if _, err := Open("gradiant", Standard()); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("error %v, want one that is fs.ErrNotExist", err)
	}
}

// With changes no map but the one that it returns.
func TestWith(t *testing.T) {
	m, err := Load("attnlrp")
	if err != nil {
		t.Fatal(err)
	}
	before := m.Lines[0].Call.String()
	with, err := m.With("absorbed=shared", "stabilizer=sign")
	if err != nil {
		t.Fatal(err)
	}
	if with.Name != "attnlrp(absorbed=shared, stabilizer=sign)" || m.Lines[0].Call.String() != before {
		t.Errorf("the map is called %s, and the first line of the other is %s", with.Name, m.Lines[0].Call)
	}
	for i, l := range with.Lines {
		for k, p := range l.Call.Rule.Params {
			want := m.Lines[i].Call.Args[k]
			switch p.Name {
			case "absorbed":
				want = "shared"
			case "stabilizer":
				want = "sign"
			}
			if l.Call.Args[k] != want {
				t.Errorf("%s: %s is %s, want %s", l.Pos, p.Name, l.Call.Args[k], want)
			}
		}
	}
}

// A rule is found by its other names, unless a rule has that name.
func TestAliases(t *testing.T) {
	taken := map[string]bool{}
	for _, r := range Standard() {
		for _, name := range append(slices.Clone(r.Aliases), r.Name) {
			if taken[name] || Standard().Lookup(name) != r {
				t.Errorf("%s is the name of two rules", name)
			}
			taken[name] = true
		}
	}
	mine := &Rule{Name: "normalize"}
	if got := append(Set{mine}, Standard()...).Lookup("normalize"); got != mine {
		t.Errorf("normalize is %s", got.Name)
	}
}

// FuzzUse checks that reading maps that use each other ends, whatever they say,
// and that it reads nothing outside of its folder.
func FuzzUse(f *testing.F) {
	f.Add("use b.rules", "use sub/c.rules(eps=1e-4)", "use ../a.rules\nConv => gamma")
	f.Add("use \"b.rules\"", "use attnlrp(absorbed=shared, eps=$e=1)", "use b")
	f.Add("use sub/../b.rules\nuse b.rules", "Conv => x", "use /b.rules")
	f.Fuzz(func(t *testing.T, a, b, c string) {
		fsys := fencedFS{t, folder("a.rules", a, "b.rules", b, "sub/c.rules", c)}
		m, err := ParseFS(fsys, "a.rules", Standard())
		if err != nil {
			_ = err.Error()
			return
		}
		for _, l := range m.Lines {
			again, err := Parse("fuzz.rules", l.Text, Standard())
			if err != nil || len(again.Lines) != 1 || again.Lines[0].Call.String() != l.Call.String() {
				t.Fatalf("line %q is read as %v, %v", l.Text, again, err)
			}
		}
	})
}

// fencedFS fails a test that asks for what is no path of a file system.
type fencedFS struct {
	t *testing.T
	fstest.MapFS
}

func (f fencedFS) Open(name string) (fs.File, error) {
	if !fs.ValidPath(name) {
		f.t.Errorf("it reads %q", name)
	}
	return f.MapFS.Open(name)
}

// The help of an error says where a line has to go: nobody can print a file of their
// own with `lxtc rules`.
func TestToAdd(t *testing.T) {
	carried, err := Open("attnlrp(eps=1e-4)", Standard())
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "mine.rules")
	if err := os.WriteFile(file, []byte("Relu => identity\nuse attnlrp\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	mine, err := Open(file+"(eps=1e-4)", Standard())
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		m    *Map
		want string
	}{
		{carried, "to a rule map (lxtc rules attnlrp > my.rules)"},
		{mine, "to mine.rules"},
		{mine.Over(carried), "to mine.rules"},
		{&Map{Lines: carried.Lines}, "to the rule map"},
	} {
		if got := tt.m.ToAdd(); got != tt.want {
			t.Errorf("map %q: %q, want %q", tt.m.Name, got, tt.want)
		}
	}
}

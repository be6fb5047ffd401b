package rules

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"unicode"

	"github.com/lxtc/lxtc/internal/diag"
)

// Open returns the map that a `use` line or the flag -r names: one that lxtc
// carries, "attnlrp"; or a file, "my.rules"; either with arguments,
// "attnlrp(absorbed=shared)", which are those of Map.With. A file may use others
// of its own folder, and of folders in it. If there is neither a map nor a file of
// that name, the error is fs.ErrNotExist.
func Open(ref string, set Set) (*Map, error) {
	if info, err := os.Stat(ref); err == nil && !info.IsDir() && !slices.Contains(Builtin(), ref) { // whatever its name holds
		return open(ref, set)
	}
	name, args, _, err := cutUse(ref)
	if err != nil {
		return nil, err
	}
	m, err := open(name, set)
	if err != nil || len(args) == 0 {
		return m, err
	}
	return m.With(args...)
}

func open(name string, set Set) (*Map, error) {
	if slices.Contains(Builtin(), name) {
		return carried(name, set)
	}
	text, err := os.ReadFile(name)
	switch {
	case errors.Is(err, fs.ErrNotExist) && !isFile(name):
		e := diag.Errorf("", "no rule map is called %q, and there is no such file%s", name, diag.DidYouMean(name, Builtin())).
			Help("`lxtc rules` lists the maps: %s", strings.Join(Builtin(), ", "))
		e.Err = fs.ErrNotExist
		return nil, e
	case err != nil:
		return nil, err
	}
	root, err := os.OpenRoot(filepath.Dir(name))
	if err != nil {
		return nil, err
	}
	defer root.Close()
	file := filepath.Base(name)
	return parse(root.FS(), file, label(file), string(text), set)
}

// ParseFS reads a rule map from a file of fsys, such as an embedded folder. It may
// use other files of fsys, by their names relative to its own.
func ParseFS(fsys fs.FS, name string, set Set) (*Map, error) {
	text, err := fs.ReadFile(fsys, name)
	if err != nil {
		return nil, err
	}
	return parse(fsys, name, label(name), string(text), set)
}

// With returns a map in which every rule that has a parameter of the given name
// has the given argument for it, whatever it had: "absorbed=shared", "eps=1e-4".
func (m *Map) With(args ...string) (*Map, error) {
	out := &Map{Name: m.Name + "(" + strings.Join(args, ", ") + ")", File: m.File, Doc: m.Doc, Lines: slices.Clone(m.Lines)}
	if _, err := out.with(0, args); err != nil {
		return nil, fmt.Errorf("map %s: %w", m.Name, err)
	}
	return out, nil
}

// with changes the arguments of the lines from one on. On an error it also returns
// the index of the argument to blame.
func (m *Map) with(from int, args []string) (bad int, err error) {
	lines := m.Lines[from:]
	for k, arg := range args {
		name, value, named := strings.Cut(arg, "=")
		if name, value = strings.TrimSpace(name), strings.TrimSpace(value); !named {
			return k, fmt.Errorf("%q does not say which parameter: write name=%s", arg, arg)
		}
		var known []string
		taken := false
		for i := range lines {
			l := &lines[i]
			r := l.Call.Rule
			for p, param := range r.Params {
				known = append(known, param.Name)
				if param.Name != name {
					continue
				}
				if err := param.check(value); err != nil {
					return k, fmt.Errorf("rule %s: %w", r.Name, err)
				}
				l.Call.Args = slices.Clone(l.Call.Args)
				l.Call.Args[p], taken = value, true
				left, _, _ := strings.Cut(l.Text, "=>")
				l.Text = left + "=> " + l.Call.String()
				if err := m.conflict(l.Call); err != nil {
					return k, err
				}
			}
		}
		if !taken {
			slices.Sort(known)
			known = slices.Compact(known)
			return k, fmt.Errorf("no rule of it has a parameter %q%s (there are %s)", name, diag.DidYouMean(name, known), strings.Join(known, ", "))
		}
	}
	return 0, nil
}

// A reader reads a map and the maps that it uses.
type reader struct {
	set    Set
	files  fs.FS // nil if the text is from no file
	m      *Map
	stack  []string        // names of the maps that are being read, outermost first
	stands map[string]bool // maps whose lines stand in m already
	errs   []*diag.Error
}

func parse(files fs.FS, key, file, text string, set Set) (*Map, error) {
	r := &reader{set: set, files: files, m: &Map{Name: strings.TrimSuffix(key, ".rules"), File: file, Doc: topComment(text)}, stands: map[string]bool{}}
	r.read(key, file, text)
	errs := make([]error, len(r.errs))
	for i, e := range r.errs {
		errs[i] = e
	}
	return r.m, errors.Join(errs...)
}

// use reads the map that a line of another, at pos, uses: "attnlrp", "other.rules(eps=1e-4)".
// It returns where in the text the part to blame for an error begins. The errors of
// the other map are no error here.
func (r *reader) use(from, pos, text string) (at int, err error) {
	name, args, starts, err := cutUse(text)
	if err != nil {
		return 0, err
	}
	key, file, source := name, name+".rules", ""
	if isFile(name) {
		key, source, err = r.file(from, name)
		file = label(key)
	} else {
		source, err = r.carried(from, name)
	}
	if err != nil {
		return 0, err
	}
	if i := slices.Index(r.stack, key); i >= 0 {
		return 0, fmt.Errorf("map %s uses itself: %s", key, strings.Join(append(slices.Clone(r.stack[i:]), key), " → "))
	}
	if r.stands[key] {
		return 0, nil // whatever it matches has matched above
	}
	r.stands[key] = true
	lines, errs := len(r.m.Lines), len(r.errs)
	r.read(key, file, source)
	for _, e := range r.errs[errs:] {
		e.Detail("used at %s", pos)
	}
	if len(r.errs) > errs {
		return 0, nil
	}
	if bad, err := r.m.with(lines, args); err != nil {
		return starts[bad], err
	}
	return 0, nil
}

// file returns the text of a file that is named relative to another, and its name
// relative to the folder that files are read from.
func (r *reader) file(from, name string) (key, text string, err error) {
	key = path.Join(path.Dir(from), name)
	switch {
	case r.files == nil:
		return "", "", diag.Errorf("", "%s is a file, and this map is text of no folder", name).Help("read the map with rules.Open or rules.ParseFS")
	case path.IsAbs(name) || !fs.ValidPath(key):
		return "", "", diag.Errorf("", "%s is not in the folder of the map that lxtc was given", name).Help("a map uses files of that folder and of folders in it, by their names relative to its own")
	}
	b, err := fs.ReadFile(r.files, key)
	if errors.Is(err, fs.ErrNotExist) {
		return "", "", fmt.Errorf("there is no file %s%s", name, diag.DidYouMean(name, r.beside(from, name)))
	}
	if err != nil {
		return "", "", err
	}
	return key, string(b), nil
}

// beside lists the maps that a name may be meant for: the other files of the folder
// that it says, and those that lxtc carries.
func (r *reader) beside(from, name string) []string {
	names := Builtin()
	entries, _ := fs.ReadDir(r.files, path.Join(path.Dir(from), path.Dir(name))) // for a hint only
	for _, e := range entries {
		other := path.Join(path.Dir(name), e.Name())
		if isFile(other) && !slices.Contains(r.stack, path.Join(path.Dir(from), other)) {
			names = append(names, other)
		}
	}
	return names
}

// carried returns the text of a map that lxtc carries.
func (r *reader) carried(from, name string) (string, error) {
	text, err := Source(name)
	if err == nil {
		return text, nil
	}
	e := diag.Errorf("", "%w%s (there are %s)", err, diag.DidYouMean(name, Builtin()), strings.Join(Builtin(), ", "))
	if r.files != nil && fs.ValidPath(path.Join(path.Dir(from), name+".rules")) {
		if _, err := fs.Stat(r.files, path.Join(path.Dir(from), name+".rules")); err == nil {
			e.Help("there is a file of that name: write `use %s.rules`", name)
		}
	}
	return "", e
}

// isFile reports whether a name is that of a file, not of a map that lxtc carries.
func isFile(name string) bool { return strings.HasSuffix(name, ".rules") }

// label is how positions name a file: one of the name of a map that lxtc carries is
// told apart from it.
func label(file string) string {
	if slices.Contains(Builtin(), strings.TrimSuffix(file, ".rules")) {
		return "./" + file
	}
	return file
}

// cutUse cuts what a use line says into a name, which may be quoted, and
// arguments, with where they begin.
func cutUse(text string) (name string, args []string, starts []int, err error) {
	rest := ""
	if quoted, ok := strings.CutPrefix(text, `"`); ok {
		if name, rest, ok = strings.Cut(quoted, `"`); !ok {
			return "", nil, nil, errors.New("a closing quote is missing")
		}
		rest = strings.TrimSpace(rest)
	} else if i := strings.IndexByte(text, '('); i >= 0 {
		name, rest = strings.TrimRightFunc(text[:i], unicode.IsSpace), text[i:]
	} else {
		name = text
	}
	if name == "" {
		return "", nil, nil, errors.New("the map is missing")
	}
	if rest == "" {
		return name, nil, nil, nil
	}
	list, closed := strings.CutSuffix(rest, ")")
	if !closed || !strings.HasPrefix(list, "(") {
		return "", nil, nil, errors.New("a map is its name, and arguments in parentheses if there are any: `use attnlrp(eps=1e-4)`")
	}
	args, starts, err = splitArgs(list[1:])
	for i := range starts {
		starts[i] += len(text) - len(rest) + 1
	}
	return name, args, starts, err
}

// splitArgs cuts a list at its commas. It also returns where each part begins. Between
// commas there is an argument; a list of nothing has none.
func splitArgs(list string) (args []string, starts []int, err error) {
	if strings.TrimSpace(list) == "" {
		return nil, nil, nil
	}
	next := 0
	for a := range strings.SplitSeq(list, ",") {
		start := next + skipSpace(a, 0)
		next += len(a) + 1
		if a = strings.TrimSpace(a); a == "" {
			return args, append(starts, start), errors.New("an argument is missing")
		}
		args, starts = append(args, a), append(starts, start)
	}
	return args, starts, nil
}

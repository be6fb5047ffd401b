package docs_test

import (
	"fmt"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/lxtc/lxtc/internal/cli"
)

// TestMain puts this program into PATH as lxtc, for the commands of a page.
func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){
		"lxtc": func() { os.Exit(cli.Main(os.Args[1:], os.Stdin, os.Stdout, os.Stderr)) },
	})
}

// TestQuickstart runs every command of the page, in order, in one folder, and
// compares what they print with the block of output after them. Numbers may
// differ by a hundredth of their size, and by 1e-5: another processor sums in
// another order, and some numbers are nothing but rounding.
func TestQuickstart(t *testing.T) {
	text, err := os.ReadFile(quickstart)
	if err != nil {
		t.Fatal(err)
	}
	root, err := filepath.Abs("..")
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	if err := os.Symlink(filepath.Join(root, "testdata"), filepath.Join(dir, "testdata")); err != nil {
		t.Skipf("no symbolic links: %v", err)
	}
	var page strings.Builder // as it should be
	rest, printed := 0, ""   // what of the text is not copied yet
	for _, b := range blocks(quickstart, string(text)) {
		switch {
		case b.lang == "sh":
			printed = shell(t, dir, b)
		case b.lang == "text" && b.info == "output":
			page.Write(text[rest:b.start])
			page.WriteString(printed)
			rest = b.start + len(b.text)
			if err := sameText(printed, b.text); err != nil && !*update {
				t.Errorf("%s: %v\ngot:\n%s", b, err, printed)
			}
		}
	}
	if *update {
		page.Write(text[rest:])
		if err := os.WriteFile(quickstart, []byte(page.String()), 0o666); err != nil {
			t.Fatal(err)
		}
	}
}

func shell(t *testing.T, dir string, b block) string {
	t.Helper()
	cmd := exec.Command("sh", "-eu", "-c", b.text)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "NO_COLOR=1", "COLUMNS=100")
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%s: %v\n%s", b, err, out)
	}
	return string(out)
}

var number = regexp.MustCompile(`[-+]?\d+(\.\d+)?(e[-+]\d+)?`)

// sameText compares texts: words exactly, numbers approximately.
func sameText(got, want string) error {
	if g, w := words(got), words(want); g != w {
		return fmt.Errorf("the text differs from the page: run go test ./docs -update")
	}
	xs, ys := number.FindAllString(got, -1), number.FindAllString(want, -1)
	for i := range xs {
		if x, y := value(xs[i]), value(ys[i]); !(math.Abs(x-y) <= 0.01*math.Abs(y)+1e-5) {
			return fmt.Errorf("number %d is %s, and %s on the page", i, xs[i], ys[i])
		}
	}
	return nil
}

// words replaces numbers, and the blanks that align them, by marks.
func words(s string) string {
	return strings.Join(strings.Fields(number.ReplaceAllString(s, " 0 ")), " ")
}

func value(s string) float64 {
	x, err := strconv.ParseFloat(s, 64)
	if err != nil {
		panic(err) // the pattern matches numbers only
	}
	return x
}

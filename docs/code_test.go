package docs_test

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"unicode"

	"github.com/lxtc/lxtc/ir"
	"github.com/lxtc/lxtc/ir/ops"
	"github.com/lxtc/lxtc/rules"
)

// A block is a fenced piece of code in a page.
type block struct {
	page       string
	line       int    // of the opening fence
	start      int    // of the text, in bytes
	lang, info string // the first word after the fence, and the rest
	text       string
}

func (b block) String() string { return fmt.Sprintf("%s:%d", b.page, b.line) }

func blocks(page, text string) []block {
	var list []block
	var open *block
	line, at := 0, 0
	for l := range strings.Lines(text) {
		line, at = line+1, at+len(l)
		fence, isFence := strings.CutPrefix(l, "```")
		switch {
		case isFence && open == nil:
			lang, info, _ := strings.Cut(strings.TrimSpace(fence), " ")
			open = &block{page: page, line: line, start: at, lang: lang, info: info}
		case isFence:
			list, open = append(list, *open), nil
		case open != nil:
			open.text += l
		}
	}
	return list
}

func pages(t *testing.T) map[string]string {
	t.Helper()
	files, err := filepath.Glob("*.md")
	if err != nil || len(files) == 0 {
		t.Fatalf("no pages: %v", err)
	}
	texts := map[string]string{}
	for _, f := range files {
		b, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		texts[f] = string(b)
	}
	return texts
}

// TestCode checks the code in the pages: Go code is part of the program that
// the block names, which is compiled and run; models and rule maps are parsed;
// shell commands are on the pages whose commands are run. Anything else is
// text.
func TestCode(t *testing.T) {
	seen := map[string]int{}
	for page, text := range pages(t) {
		for _, b := range blocks(page, text) {
			seen[b.lang]++
			if err := checkBlock(b); err != nil {
				t.Errorf("%s: %v", b, err)
			}
		}
	}
	for _, lang := range []string{"go", "onnxtxt"} {
		if seen[lang] == 0 {
			t.Errorf("no page has a block of %s", lang)
		}
	}
}

func checkBlock(b block) error {
	switch b.lang {
	case "go":
		src, err := os.ReadFile(b.info)
		if err != nil {
			return fmt.Errorf("a block of Go names the file that it is from: %w", err)
		}
		if !strings.Contains(string(src), b.text) {
			return fmt.Errorf("the code is not in %s", b.info)
		}
	case "onnxtxt":
		m, err := ir.Parse(b.text, ops.Standard())
		if err != nil {
			return err
		}
		return ir.Verify(m)
	case "rules":
		_, err := rules.Parse("block", b.text, rules.Standard())
		return err
	case "sh":
		if b.page != quickstart && b.page != cookbook {
			return fmt.Errorf("commands are run on %s and %s only", quickstart, cookbook)
		}
	case "text", "python": // Python would take torch and checkpoints
	case "":
		if b.page != "rules.md" { // generated from texts that the package parses
			return errors.New("a block says what it is: go, onnxtxt, rules, sh or text")
		}
	default:
		return fmt.Errorf("blocks of %q are not checked", b.lang)
	}
	return nil
}

// TestLinks follows the links between pages and to files of the project.
func TestLinks(t *testing.T) {
	link := regexp.MustCompile(`\]\(([^)\s]+)\)`)
	texts := pages(t)
	readme, err := os.ReadFile("../README.md")
	if err != nil {
		t.Fatal(err)
	}
	texts["../README.md"] = string(readme)
	for page, text := range texts {
		for _, m := range link.FindAllStringSubmatch(withoutCode(text), -1) {
			path, anchor, _ := strings.Cut(m[1], "#")
			if strings.Contains(path, "://") {
				continue
			}
			if path == "" {
				path = filepath.Base(page)
			}
			path = filepath.Join(filepath.Dir(page), path)
			if _, err := os.Stat(path); err != nil {
				t.Errorf("%s: link to %s: %v", page, m[1], err)
				continue
			}
			if target, isPage := texts[path]; anchor != "" && isPage && !hasAnchor(target, anchor) {
				t.Errorf("%s: link to %s: the page has no such heading", page, m[1])
			}
		}
	}
}

func withoutCode(text string) string {
	var sb strings.Builder
	code := false
	for l := range strings.Lines(text) {
		if strings.HasPrefix(l, "```") {
			code = !code
		}
		if !code {
			sb.WriteString(l)
		}
	}
	return sb.String()
}

// hasAnchor reports whether a page has a heading of that anchor, as GitHub
// makes it: lower case, blanks to dashes, letters, digits, dashes and
// underscores only.
func hasAnchor(text, anchor string) bool {
	for l := range strings.Lines(withoutCode(text)) {
		title, ok := strings.CutPrefix(strings.TrimLeft(l, "#"), " ")
		if !ok || !strings.HasPrefix(l, "#") {
			continue
		}
		slug := strings.Map(func(r rune) rune {
			switch {
			case r == ' ':
				return '-'
			case unicode.IsLetter(r), unicode.IsDigit(r), r == '-', r == '_':
				return unicode.ToLower(r)
			}
			return -1
		}, strings.TrimSpace(title))
		if slug == anchor {
			return true
		}
	}
	return false
}

// The pages whose commands are run.
const (
	quickstart = "quickstart.md"
	cookbook   = "cookbook.md"
)

package cli

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/lxtc/lxtc/heatmap"
	"github.com/lxtc/lxtc/passes"
)

// TestJSONIsDocumented compares the keys of docs/json.md, section by section, with
// those that are written. A key that scripts read must not change its name or
// its meaning.
func TestJSONIsDocumented(t *testing.T) {
	page, err := os.ReadFile(filepath.Join("..", "..", "docs", "json.md"))
	if err != nil {
		t.Fatal(err)
	}
	row := regexp.MustCompile("(?m)^\\| `([^`]+)` \\|")
	said := map[string][]string{}
	for _, section := range strings.Split(string(page), "\n## ")[1:] {
		title, _, _ := strings.Cut(section, "\n")
		for _, m := range row.FindAllStringSubmatch(section, -1) {
			said[title] = append(said[title], m[1])
		}
		slices.Sort(said[title])
	}
	want := map[string][]string{
		"lxtc rewrite --json": keysOf(reflect.TypeFor[passes.Report]()),
		"lxtc check --json":   keysOf(reflect.TypeFor[verdict]()),
		"lxtc inspect --json": keysOf(reflect.TypeFor[inspection]()),
		"lxtc eval -o x.json": keysOf(reflect.TypeFor[scoreboard]()),
		"lxtc explain -o x.json": keysIn(t, heatmap.Doc{
			Texts:  []heatmap.Text{{Tensor: "e", Module: "m", Tokens: []heatmap.Token{{Special: true}}}},
			Images: []heatmap.Image{{Tensor: "x", Module: "m", Width: 1, Height: 1, Values: []float64{0}}},
		}),
	}
	if d := cmp.Diff(want, said); d != "" {
		t.Errorf("keys that are written (-) and that docs/json.md says (+):\n%s", d)
	}
}

// keysOf lists the keys of a type as paths: operators[].node.
func keysOf(typ reflect.Type) []string {
	var keys []string
	var walk func(prefix string, typ reflect.Type)
	walk = func(prefix string, typ reflect.Type) {
		switch typ.Kind() {
		case reflect.Pointer:
			walk(prefix, typ.Elem())
		case reflect.Slice:
			walk(prefix+"[]", typ.Elem())
		case reflect.Struct:
			for i := range typ.NumField() {
				f := typ.Field(i)
				name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
				switch {
				case f.Anonymous && name == "":
					walk(prefix, f.Type)
				case f.IsExported() && name != "-":
					walk(strings.TrimPrefix(prefix+"."+name, "."), f.Type)
				}
			}
		default:
			keys = append(keys, prefix)
		}
	}
	walk("", typ)
	slices.Sort(keys)
	return keys
}

// keysIn lists the keys of the JSON that a drawing is written as.
func keysIn(t *testing.T, d heatmap.Doc) []string {
	t.Helper()
	var buf bytes.Buffer
	if err := heatmap.Encode(&buf, "json", d, heatmap.Options{}); err != nil {
		t.Fatal(err)
	}
	var v any
	if err := json.Unmarshal(buf.Bytes(), &v); err != nil {
		t.Fatal(err)
	}
	var keys []string
	var walk func(prefix string, v any)
	walk = func(prefix string, v any) {
		switch v := v.(type) {
		case map[string]any:
			for k, e := range v {
				walk(strings.TrimPrefix(prefix+"."+k, "."), e)
			}
		case []any:
			walk(prefix+"[]", v[0])
		default:
			keys = append(keys, prefix)
		}
	}
	walk("", v)
	slices.Sort(keys)
	return keys
}

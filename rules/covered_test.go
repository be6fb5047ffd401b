package rules

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

// A line that an earlier one of its file leaves nothing to is found, one that only
// overrides a map in use is none.
func TestCovered(t *testing.T) {
	for _, tt := range []struct {
		text string
		want []string // "line by line"
	}{
		{"Conv => epsilon\nConv => gamma", []string{"my.rules:2 my.rules:1"}},
		{"Conv, Gemm => epsilon\nGemm if first => zbox", []string{"my.rules:2 my.rules:1"}},
		{"* => epsilon\nRelu \"*head*\" => pass", []string{"my.rules:2 my.rules:1"}},
		{"Conv \"a\" if first => zbox\nConv \"a\" if const(1), first => flat", []string{"my.rules:2 my.rules:1"}},
		{"Gemm => epsilon\nConv, Gemm => gamma", nil},
		{"Conv if first => zbox\nConv => gamma", nil},
		{"Conv \"a*\" => zbox\nConv \"b*\" => gamma", nil},
		{"Conv if not first => zbox\nConv if first => gamma", nil},
		{"Conv => gamma\nuse attnlrp", nil},
	} {
		m, err := Parse("my.rules", tt.text, Standard())
		if err != nil {
			t.Fatal(err)
		}
		if d := cmp.Diff(tt.want, covered(m)); d != "" {
			t.Errorf("%s\n%s", tt.text, d)
		}
	}
	for _, name := range Builtin() {
		m, err := Load(name)
		if err != nil {
			t.Fatal(err)
		}
		if got := covered(m); got != nil {
			t.Errorf("%s: lines without effect: %v", name, got)
		}
	}
}

func covered(m *Map) []string {
	var got []string
	for i, l := range m.Lines {
		if j := m.Covered(i); j >= 0 {
			got = append(got, l.Pos+" "+m.Lines[j].Pos)
		}
	}
	return got
}

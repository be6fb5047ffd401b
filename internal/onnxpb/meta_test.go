package onnxpb

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestPythonListRoundTrip(t *testing.T) {
	for _, list := range [][]string{nil, {""}, {"", "model", "model.layers.0"}, {`it's`, `a\b`, `"q"`, "a, b", "é"}} {
		got, ok := ParsePythonList(PythonList(list))
		if !ok || cmp.Diff(list, got) != "" {
			t.Errorf("%q becomes %s and then %q, %t", list, PythonList(list), got, ok)
		}
	}
}

func TestParsePythonList(t *testing.T) {
	tests := []struct {
		name, text string
		want       []string
		ok         bool
	}{
		{"as PyTorch writes it", `['', 'm.model', 'rsqrt']`, []string{"", "m.model", "rsqrt"}, true},
		{"double quotes", `["it's", 'x']`, []string{"it's", "x"}, true},
		{"no list", `model`, nil, false},
		{"numbers", `[1, 2]`, nil, false},
		{"not closed", `['a', 'b'`, nil, false},
		{"a string not closed", `['a`, nil, false},
		{"an escape at the end", `['a\`, nil, false},
		{"nothing", ``, nil, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, ok := ParsePythonList(tt.text)
			if ok != tt.ok || cmp.Diff(tt.want, got) != "" {
				t.Errorf("got %q, %t; want %q, %t", got, ok, tt.want, tt.ok)
			}
		})
	}
}

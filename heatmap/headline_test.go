package heatmap

import "testing"

func TestHeadlines(t *testing.T) {
	const paris = `" Paris" (logits[0,5,7] = 15)`
	one := Text{Target: paris, Tensor: "embedding"}
	inside := Text{Target: paris, Tensor: "add_11", Module: "layers.0"}
	for _, tt := range []struct {
		fact  string
		texts []Text
		want  string // over the last text
	}{
		{"the title says it all", []Text{one}, ""},
		{"two rows of one tensor", []Text{one, {Target: paris + ", row 1", Tensor: "embedding"}}, "Target: " + paris + ", row 1"},
		{"two targets, of no tensor by name", []Text{{Target: paris}, {Target: "Rome"}}, "Target: Rome"},
		{"two tensors", []Text{one, inside}, "Relevance of add_11, from layers.0"},
		{"two tensors, in two rows", []Text{one, {Target: paris + ", row 1", Tensor: "x"}}, "Target: " + paris + ", row 1; relevance of x"},
	} {
		t.Run(tt.fact, func(t *testing.T) {
			d := Doc{Title: "Why " + paris + "?", Texts: tt.texts}
			last := tt.texts[len(tt.texts)-1]
			if got := d.headline(last.Target, last.Tensor, last.Module); got != tt.want {
				t.Errorf("%q, want %q", got, tt.want)
			}
		})
	}
}

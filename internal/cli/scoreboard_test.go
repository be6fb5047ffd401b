package cli

import (
	"bytes"
	"math"
	"strings"
	"testing"
)

// A sample of two features has a curve of three points, one of four has five.
func TestHeightOfACurve(t *testing.T) {
	for _, c := range []struct {
		curve []figure
		share float64
		want  figure
	}{
		{[]figure{4, 2, 1}, 0, 4},
		{[]figure{4, 2, 1}, 0.25, 3},
		{[]figure{4, 2, 1}, 0.5, 2},
		{[]figure{4, 2, 1}, 1, 1},
		{[]figure{7}, 1, 7},
		{nil, 0, figure(math.NaN())},
	} {
		if got := height(c.curve, c.share); got != c.want && !math.IsNaN(float64(c.want)) || math.IsNaN(float64(c.want)) != math.IsNaN(float64(got)) {
			t.Errorf("%v at %g: %v, want %v", c.curve, c.share, got, c.want)
		}
	}
}

// boardOf has the gaps of methods, one a sample.
func boardOf(gaps map[string][]figure, order ...string) *scoreboard {
	s := &scoreboard{Model: "<m>", Score: "logit", Features: "tokens", Tensor: "x", Base: "zero"}
	for k := range gaps[order[0]] {
		for _, method := range order {
			r := scoreRow{Sample: string(rune('a' + k)), Method: method, Gap: gaps[method][k], MoRFCurve: []figure{2, 1, 0}, LeRFCurve: []figure{2, 2, 0}}
			r.Cascade = []figure{0.5, 0.25}
			s.Rows = append(s.Rows, r)
		}
	}
	return s
}

// Samples differ, and so do the gaps of one method; what counts is by how much another
// is better on the same samples.
func TestConclusion(t *testing.T) {
	nan := figure(math.NaN())
	for _, c := range []struct {
		name string
		gaps map[string][]figure
		want string
	}{
		{"surely", map[string][]figure{"p": {1, 11, 21}, "q": {2, 12, 22.1}}, "Most faithful by gap: q; sample by sample 1.03 ± 0.14 before p."},
		{"by chance", map[string][]figure{"p": {1, 11, 21}, "q": {2, 10, 25}}, "Most faithful by gap: q; sample by sample 1.33 ± 6.3 before p, which may be chance."},
		{"two samples are few", map[string][]figure{"p": {1, 2}, "q": {2, 5}}, "Most faithful by gap: q; sample by sample 2 ± 13 before p, which may be chance."},
		{"one sample says nothing", map[string][]figure{"p": {1}, "q": {2}}, "Most faithful by gap: q."},
		{"equal", map[string][]figure{"p": {1, 2}, "q": {1, 2}}, "Most faithful by gap: p, q."},
		{"the other has no number", map[string][]figure{"p": {nan, nan}, "q": {1, 2}}, "Most faithful by gap: q."},
	} {
		if got := boardOf(c.gaps, "p", "q").conclusion(); got != c.want {
			t.Errorf("%s: %s\nwant %s", c.name, got, c.want)
		}
	}
}

func TestScorePage(t *testing.T) {
	var b bytes.Buffer
	if err := boardOf(map[string][]figure{"p": {1, 2}, "q": {2, 5}}, "p", "q").page(&b); err != nil {
		t.Fatal(err)
	}
	html := b.String()
	for _, want := range []string{"<h1>&lt;m&gt;</h1>", "<td>q</td>", "3.5 ± 19", "<svg ", "<td>50 %</td>", "which may be chance"} {
		if !strings.Contains(strings.ReplaceAll(html, "<th>", "<td>"), strings.ReplaceAll(want, "</td>", "</")) {
			t.Errorf("the page does not say %s", want)
		}
	}
	for _, outside := range []string{"http://", "https://", "src=", "<m>"} {
		if strings.Contains(strings.ReplaceAll(html, "http://www.w3.org/2000/svg", ""), outside) {
			t.Errorf("the page has %s in it", outside)
		}
	}
}

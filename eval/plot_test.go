package eval

import (
	"bytes"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

var ticksOf = regexp.MustCompile(`text-anchor="end">([^<]*)<`)

func TestPlot(t *testing.T) {
	name := strings.Repeat("n", 40)
	var buf bytes.Buffer
	if err := Plot(&buf, "model", "score", []Line{{Name: name, Scores: []float64{7.32, 3, -1.32}}}); err != nil {
		t.Fatal(err)
	}
	m := regexp.MustCompile(`<svg [^>]*width="([^"]*)"`).FindStringSubmatch(buf.String())
	width, err := strconv.ParseFloat(m[1], 64)
	if err != nil {
		t.Fatal(err)
	}
	if begins := left + areaWidth + 14 + swatch + 6; width < begins+40*0.6*textSize {
		t.Errorf("a picture %g wide has no room for 40 letters from %g on", width, begins)
	}
	var ticks []string
	for _, m := range ticksOf.FindAllStringSubmatch(buf.String(), -1) {
		ticks = append(ticks, m[1])
	}
	if d := cmp.Diff([]string{"-2", "0", "2", "4", "6", "8"}, ticks); d != "" {
		t.Error(d)
	}
	if err := Plot(&buf, "", "", []Line{{Scores: []float64{0}}}); err != nil {
		t.Errorf("one score, of 0: %v", err)
	}
}

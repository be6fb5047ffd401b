package view

import (
	"bytes"
	"encoding/json"
	"math"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// diamond is a → b, a → c, (b, c) → d.
func diamond() []Row {
	from := func(rows ...int) []Arg {
		var in []Arg
		for _, r := range rows {
			in = append(in, Arg{Name: "x", Type: "float[1]", From: r})
		}
		return in
	}
	return []Row{{Op: "a", In: from(-1)}, {Op: "b", In: from(0)}, {Op: "c", In: from(0)}, {Op: "d", In: from(1, 2)}}
}

func TestRailsOfADiamond(t *testing.T) {
	rows := diamond()
	layRails(rows)
	want := []Rails{
		{Dot: 0, Leave: true, Width: 1},
		{Dot: 1, Enter: []int{0}, Pass: []int{0}, Leave: true, Width: 2},
		{Dot: 0, Enter: []int{0}, Pass: []int{1}, Leave: true, Width: 2}, // a's rail is free again
		{Dot: 0, Enter: []int{1, 0}, Width: 2},
	}
	for i := range rows {
		if diff := cmp.Diff(want[i], rows[i].Rails); diff != "" {
			t.Errorf("row %s: %s", rows[i].Op, diff)
		}
	}
}

// What a page says comes back out of it, whatever it is called.
func TestPageHoldsItsData(t *testing.T) {
	rows := diamond()
	rows[1].Name = `</script><script>alert("x")</script> & 'y'`
	rows[1].Relevance = &Relevance{In: 1.5, Out: Number(math.NaN()), Weight: Number(math.Inf(1))}
	in := Page{Model: "<b>m</b>", Map: "attnlrp", Rows: rows}
	var b bytes.Buffer
	if err := Write(&b, in); err != nil {
		t.Fatal(err)
	}
	html := b.String()
	if strings.Contains(html, "alert(\"x\")") || strings.Contains(html, "<b>m</b>") {
		t.Error("a name of the model is markup in the page")
	}
	data := regexp.MustCompile(`(?s)id="data">(.*?)</script>`).FindStringSubmatch(html)
	if data == nil {
		t.Fatal("no data in the page")
	}
	var out struct {
		Model string
		Rows  []struct {
			Name      string
			Relevance *struct{ In, Out, Weight *float64 }
		}
	}
	if err := json.Unmarshal([]byte(data[1]), &out); err != nil {
		t.Fatal(err)
	}
	if out.Model != in.Model || out.Rows[1].Name != rows[1].Name {
		t.Errorf("names came back as %q, %q", out.Model, out.Rows[1].Name)
	}
	if r := out.Rows[1].Relevance; r == nil || r.In == nil || *r.In != 1.5 || r.Out != nil || r.Weight != nil {
		t.Errorf("relevance came back as %+v, want 1.5 and two nulls", r)
	}
	for _, outside := range []string{"http://", "https://", "src=", "@import"} {
		if strings.Contains(strings.ReplaceAll(html, "http://www.w3.org/2000/svg", ""), outside) {
			t.Errorf("the page needs something from outside: %s", outside)
		}
	}
}

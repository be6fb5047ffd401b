package cli

import (
	"bytes"
	"context"
	"encoding/csv"
	"fmt"
	"io"
	"math"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/lxtc/lxtc/eval"
	"github.com/lxtc/lxtc/heatmap"
)

// scoreboard is the result of `lxtc eval`.
type scoreboard struct {
	Model    string     `json:"model"`
	Tensor   string     `json:"tensor"`
	Features string     `json:"features"`
	Score    string     `json:"score"`
	Base     string     `json:"base"`
	Seed     uint64     `json:"seed"`
	Rows     []scoreRow `json:"rows"`
}

// scoreRow is what one method's explanation of one sample is worth.
type scoreRow struct {
	Sample string  `json:"sample"`
	Method string  `json:"method"`
	Target []int64 `json:"target"`
	Whole  figure  `json:"score"` // of the whole sample

	MoRF        figure `json:"morf"`
	LeRF        figure `json:"lerf"`
	Gap         figure `json:"gap"`
	Correlation figure `json:"correlation"`
	Infidelity  figure `json:"infidelity"`
	Sparse      figure `json:"sparse"`
	Entropy     figure `json:"entropy"`
	Sensitivity figure `json:"sensitivity"` // null if not asked for
	Randomised  figure `json:"randomised"`  // likewise

	MoRFCurve []figure `json:"morf_curve"`
	LeRFCurve []figure `json:"lerf_curve"`
	Cascade   []figure `json:"randomised_curve,omitempty"` // Randomised after each stage
}

// metrics are the numbers of a row, in the order of the table.
var metrics = []struct {
	name string
	of   func(r *scoreRow) *figure
}{
	{"MoRF", func(r *scoreRow) *figure { return &r.MoRF }},
	{"LeRF", func(r *scoreRow) *figure { return &r.LeRF }},
	{"gap", func(r *scoreRow) *figure { return &r.Gap }},
	{"correlation", func(r *scoreRow) *figure { return &r.Correlation }},
	{"infidelity", func(r *scoreRow) *figure { return &r.Infidelity }},
	{"sparse", func(r *scoreRow) *figure { return &r.Sparse }},
	{"entropy", func(r *scoreRow) *figure { return &r.Entropy }},
	{"sensitivity", func(r *scoreRow) *figure { return &r.Sensitivity }},
	{"randomised", func(r *scoreRow) *figure { return &r.Randomised }},
}

// faithfulness computes the metrics of one explanation; they are NaN if its
// relevance is not finite.
func (r *scoreRow) faithfulness(ctx context.Context, m eval.Model, relevance []float64, removals *eval.Removals, steps int) error {
	if !finite(relevance) {
		for _, x := range metrics {
			*x.of(r) = figure(math.NaN())
		}
		return nil
	}
	p, err := eval.Perturb(ctx, m, relevance, steps)
	if err != nil {
		return err
	}
	r.MoRF, r.LeRF, r.Gap = figure(eval.Area(p.MoRF)), figure(eval.Area(p.LeRF)), figure(p.Gap())
	r.Correlation, r.Infidelity = figure(removals.Correlation(relevance)), figure(removals.Infidelity(relevance))
	r.Sparse, r.Entropy = figure(eval.Gini(relevance)), figure(eval.Entropy(relevance))
	r.MoRFCurve, r.LeRFCurve = figures(p.MoRF), figures(p.LeRF)
	return nil
}

func finite(xs []float64) bool {
	return !slices.ContainsFunc(xs, func(x float64) bool { return math.IsNaN(x) || math.IsInf(x, 0) })
}

// warn names the methods whose relevance was not finite.
func (s *scoreboard) warn(a *app) {
	for _, method := range s.methods() {
		bad := 0
		for i := range s.Rows {
			if s.Rows[i].Method == method && math.IsNaN(float64(s.Rows[i].Gap)) {
				bad++
			}
		}
		if bad > 0 {
			a.warn("relevance by %s, or a score, is not finite in %d samples, which do not count; `lxtc check` looks for the place", method, bad)
		}
	}
}

// meanRow is the mean of several rows of one sample.
func meanRow(rows []scoreRow) scoreRow {
	out := rows[0]
	share := figure(len(rows))
	for _, m := range metrics {
		var sum figure
		for i := range rows {
			sum += *m.of(&rows[i])
		}
		*m.of(&out) = sum / share
	}
	for _, curve := range []func(r *scoreRow) *[]figure{
		func(r *scoreRow) *[]figure { return &r.MoRFCurve },
		func(r *scoreRow) *[]figure { return &r.LeRFCurve },
		func(r *scoreRow) *[]figure { return &r.Cascade },
	} {
		mean := slices.Clone(*curve(&out))
		for k := range mean {
			mean[k] = 0
			for i := range rows {
				mean[k] += (*curve(&rows[i]))[k] / share
			}
		}
		*curve(&out) = mean
	}
	return out
}

func figures(x []float64) []figure {
	out := make([]figure, len(x))
	for i, v := range x {
		out[i] = figure(v)
	}
	return out
}

// methods lists the methods in their order.
func (s *scoreboard) methods() []string {
	var out []string
	for _, r := range s.Rows {
		if !slices.Contains(out, r.Method) {
			out = append(out, r.Method)
		}
	}
	return out
}

// mean is that of a number over the rows of a method.
func (s *scoreboard) mean(method string, of func(r *scoreRow) figure) eval.Interval {
	var x []float64
	for i := range s.Rows {
		if s.Rows[i].Method == method {
			x = append(x, float64(of(&s.Rows[i])))
		}
	}
	return eval.Mean(x)
}

// scoreEndings are those of the files that scores are written to.
var scoreEndings = []string{"json", "csv", "svg", "html"}

func (a *app) printScores(s *scoreboard, path string) error {
	ending, err := endingOf(path, scoreEndings...)
	if err != nil {
		return err
	}
	var b bytes.Buffer
	switch ending {
	case "json":
		err = writeJSON(&b, s)
	case "csv":
		err = s.csv(&b)
	case "svg":
		err = s.plot(&b)
	case "html":
		err = s.page(&b)
	default:
		s.table(&b, a.colors(a.stdout) != heatmap.NoColor)
	}
	if err != nil {
		return err
	}
	return a.writeBytes(path, b.Bytes())
}

// endingOf returns the ending of an output file, which must be one of those
// given; "" without a file.
func endingOf(path string, known ...string) (string, error) {
	if path == "" || path == "-" {
		return "", nil
	}
	if err := checkFolder(path); err != nil {
		return "", err
	}
	ending := strings.TrimPrefix(strings.ToLower(filepath.Ext(path)), ".")
	if !slices.Contains(known, ending) {
		return "", usagef("-o %s: want a name that ends in .%s", path, strings.Join(known, " or ."))
	}
	return ending, nil
}

// table writes the means, and marks the method of the greatest gap.
func (s *scoreboard) table(w io.Writer, colors bool) {
	p := &paper{colors: colors}
	p.line("%s  %s", p.bold(s.Model), s.subtitle())
	p.line("")
	best := s.best()
	g := s.means()
	g.style = func(column int, cell string) string {
		if column == 0 && slices.Contains(best, cell) {
			return p.green(cell)
		}
		return cell
	}
	g.write(p, p.bold)
	if len(best) > 0 {
		p.line("%s", p.dim(s.conclusion()))
	}
	if c := s.cascade(); c != nil {
		p.line("\n%s", p.bold(cascadeTitle))
		c.write(p, p.bold)
	}
	io.WriteString(w, p.String())
}

// subtitle says what was measured.
func (s *scoreboard) subtitle() string {
	n := len(s.Rows) / max(1, len(s.methods()))
	samples := "samples"
	if n == 1 {
		samples = "sample"
	}
	return fmt.Sprintf("%s of the target while %s of %s become %s; %d %s", s.Score, s.Features, s.Tensor, s.Base, n, samples)
}

// means is a table of the means of all metrics that were computed.
func (s *scoreboard) means() *table {
	g := &table{head: []string{"Method"}}
	var shown []int
	for k, m := range metrics {
		if slices.ContainsFunc(s.Rows, func(r scoreRow) bool { return !math.IsNaN(float64(*m.of(&r))) }) {
			shown = append(shown, k)
			g.head = append(g.head, m.name)
			g.right = append(g.right, len(g.head)-1)
		}
	}
	for _, method := range s.methods() {
		cells := []string{method}
		for _, k := range shown {
			cells = append(cells, interval(s.mean(method, func(r *scoreRow) figure { return *metrics[k].of(r) })))
		}
		g.add(cells...)
	}
	return g
}

// gap is the mean of a method's gaps.
func (s *scoreboard) gap(method string) float64 {
	return s.mean(method, func(r *scoreRow) figure { return r.Gap }).Mean
}

// best returns the method of the greatest gap: more than one if they are equal.
func (s *scoreboard) best() []string {
	var best []string
	most := math.Inf(-1)
	for _, method := range s.methods() {
		switch gap := s.gap(method); {
		case gap > most:
			best, most = []string{method}, gap
		case gap == most:
			best = append(best, method)
		}
	}
	return best
}

// conclusion names the most faithful method and, over several samples, by how much
// it is better than the next one on the same samples.
func (s *scoreboard) conclusion() string {
	best := s.best()
	text := "Most faithful by gap: " + strings.Join(best, ", ")
	next := ""
	for _, method := range s.methods() {
		if gap := s.gap(method); !slices.Contains(best, method) && !math.IsNaN(gap) && (next == "" || gap > s.gap(next)) {
			next = method
		}
	}
	if next == "" {
		return text + "."
	}
	d := s.difference(best[0], next)
	if d.N < 2 {
		return text + "."
	}
	text += fmt.Sprintf("; sample by sample %s before %s", interval(d), next)
	if !(d.Mean > d.Half) {
		text += ", which may be chance"
	}
	return text + "."
}

// difference is the mean, over samples, of how much the gap of a method is greater
// than another's.
func (s *scoreboard) difference(method, other string) eval.Interval {
	gaps := map[string]float64{}
	for i := range s.Rows {
		if r := &s.Rows[i]; r.Method == other {
			gaps[r.Sample] = float64(r.Gap)
		}
	}
	var x []float64
	for i := range s.Rows {
		if r := &s.Rows[i]; r.Method == method {
			x = append(x, float64(r.Gap)-gaps[r.Sample])
		}
	}
	return eval.Mean(x)
}

const cascadeTitle = "randomised, by the share of weight tensors that are random, from the output down"

// cascade is a table of how relevance changes while weights become random; nil if
// that is not in stages.
func (s *scoreboard) cascade() *table {
	if len(s.Rows) == 0 || len(s.Rows[0].Cascade) < 2 {
		return nil
	}
	stages := len(s.Rows[0].Cascade)
	g := &table{head: []string{"Method"}}
	for k := range stages {
		g.head = append(g.head, fmt.Sprintf("%d %%", 100*(k+1)/stages))
		g.right = append(g.right, k+1)
	}
	for _, method := range s.methods() {
		cells := []string{method}
		for k := range stages {
			cells = append(cells, interval(s.mean(method, func(r *scoreRow) figure { return r.Cascade[k] })))
		}
		g.add(cells...)
	}
	return g
}

// interval writes a mean and half its interval.
func interval(x eval.Interval) string {
	switch {
	case math.IsNaN(x.Mean):
		return "-"
	case math.IsNaN(x.Half):
		return fmt.Sprintf("%.3g", x.Mean)
	}
	return fmt.Sprintf("%.3g ± %.2g", x.Mean, x.Half)
}

func (s *scoreboard) csv(w io.Writer) error {
	c := csv.NewWriter(w)
	head := []string{"sample", "method", "target", "score"}
	for _, m := range metrics {
		head = append(head, strings.ToLower(m.name))
	}
	rows := [][]string{head}
	for i := range s.Rows {
		r := &s.Rows[i]
		row := []string{r.Sample, r.Method, strings.Trim(fmt.Sprint(r.Target), "[]"), number9(r.Whole)}
		for _, m := range metrics {
			row = append(row, number9(*m.of(r)))
		}
		rows = append(rows, row)
	}
	return c.WriteAll(rows)
}

// number9 writes a number for a machine; what is no number is empty.
func number9(x figure) string {
	if math.IsNaN(float64(x)) {
		return ""
	}
	return strconv.FormatFloat(float64(x), 'g', 9, 64)
}

// height is a curve's at a share of the features removed, between its steps on a
// straight line: a sample of few features has few steps.
func height(curve []figure, share float64) figure {
	if len(curve) == 0 {
		return figure(math.NaN())
	}
	at := share * float64(len(curve)-1)
	k := min(int(at), len(curve)-1)
	rest := figure(at - float64(k))
	if rest == 0 {
		return curve[k]
	}
	return curve[k] + rest*(curve[k+1]-curve[k])
}

package cli

import (
	"bytes"
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"unicode"

	"github.com/lxtc/lxtc"
	"github.com/lxtc/lxtc/heatmap"
	"github.com/lxtc/lxtc/image"
	"github.com/lxtc/lxtc/internal/arrays"
	"github.com/lxtc/lxtc/internal/npy"
	"github.com/lxtc/lxtc/ir"
)

// drawing arranges the relevance of every explained tensor as texts and
// pictures.
func (s *subject) drawing(x *lxtc.Rewritten, opt lxtc.Options, f *feed, out map[string]*ir.Tensor) (heatmap.Doc, error) {
	target := s.describe(opt, f, out)
	d := heatmap.Doc{Title: "Why " + target + "?", Model: s.name, Rules: x.Report.Rules + ", " + x.Report.Form + " form"}
	explained := x.Report.Explained
	var rows []string
	if ts := targetsOf(opt); len(ts) == 1 {
		rows = s.describeRows(ts[0], opt.Temperature, f, out)
	}
	for i, v := range relevances(x) {
		r, err := out[v.Name].Float64s()
		if err != nil {
			return d, err
		}
		name, texts, images := explained[i], len(d.Texts), len(d.Images)
		if err := s.arrange(&d, target, f, name, r, out[v.Name].Shape); err != nil {
			return d, fmt.Errorf("relevance of %s: %w", name, err)
		}
		module := s.moduleOf(name)
		for k := range d.Texts[texts:] {
			t := &d.Texts[texts+k]
			t.Tensor, t.Module, t.Target = name, module, ofRow(rows, k, len(d.Texts)-texts, t.Target)
		}
		for k := range d.Images[images:] {
			m := &d.Images[images+k]
			m.Tensor, m.Module, m.Target = name, module, ofRow(rows, k, len(d.Images)-images, m.Target)
		}
	}
	return d, nil
}

// ofRow returns what is explained in row k of n, if that is known of each.
func ofRow(rows []string, k, n int, otherwise string) string {
	if n == 1 || len(rows) != n {
		return otherwise
	}
	return rowLabel(rows[k], k, n)
}

// moduleOf returns the numbered module that computes a tensor, such as layers.0,
// or else the innermost one; "" if the file does not say it.
func (s *subject) moduleOf(name string) string {
	v := s.IR().Graph.Find(name)
	if v == nil || v.Def == nil || len(v.Def.Scopes) == 0 {
		return ""
	}
	return cmp.Or(layerOf(v.Def), v.Def.Scopes[len(v.Def.Scopes)-1].Name)
}

// relevances returns the outputs that hold relevance, one for each explained
// tensor: the last ones that are called so. A model that was rewritten before
// has others.
func relevances(x *lxtc.Rewritten) []*ir.Value {
	var rs []*ir.Value
	for _, v := range x.Model.Graph.Outputs {
		if strings.HasPrefix(v.Name, "R:") {
			rs = append(rs, v)
		}
	}
	return rs[max(0, len(rs)-len(x.Report.Explained)):]
}

// arrange adds the relevance of one tensor to the drawing, by its shape:
// [N, C, H, W] is pictures, [N, T, D] tokens, anything else numbers.
func (s *subject) arrange(d *heatmap.Doc, label string, f *feed, name string, r []float64, shape []int) error {
	tokens := s.tokensOf(f, name)
	rank := len(shape)
	switch {
	case rank == 4 && s.isPicture(f, name, shape):
		return addPictures(d, label, f, r, shape)
	case rank == 3:
		return addTexts(d, label, tokens, r, shape[0], shape[1], shape[2])
	case rank == 2 && tokens != nil && shape[0] == len(tokens):
		return addTexts(d, label, tokens, r, 1, shape[0], shape[1])
	case rank == 2:
		return addTexts(d, label, tokens, r, shape[0], shape[1], 1)
	case rank >= 2: // summed over all axes after the second
		inner := 1
		for _, n := range shape[2:] {
			inner *= n
		}
		return addTexts(d, label, tokens, r, shape[0], shape[1], inner)
	}
	return addTexts(d, label, tokens, r, 1, len(r), 1)
}

// isPicture reports whether a tensor of four axes is what a picture went into,
// or looks like one.
func (s *subject) isPicture(f *feed, name string, shape []int) bool {
	if t := f.tensors[name]; f.picture != nil && t != nil && slices.Equal(t.Shape, shape) {
		return true
	}
	return shape[1] == 1 || shape[1] == 3 || shape[3] == 1 || shape[3] == 3
}

func addPictures(d *heatmap.Doc, label string, f *feed, r []float64, shape []int) error {
	c, h, w := shape[1], shape[2], shape[3]
	channelsLast := image.LayoutOf(shape) == image.NHWC
	if channelsLast {
		h, w, c = shape[1], shape[2], shape[3]
	}
	for b := range shape[0] {
		m := heatmap.Image{Target: rowLabel(label, b, shape[0]), Width: w, Height: h, Values: make([]float64, h*w)}
		if f.picture != nil {
			m.Picture = f.picture
		}
		for i, v := range r[b*c*h*w : (b+1)*c*h*w] {
			if channelsLast {
				m.Values[i/c] += v
			} else {
				m.Values[i%(h*w)] += v
			}
		}
		d.Images = append(d.Images, m)
	}
	return nil
}

func addTexts(d *heatmap.Doc, label string, tokens []heatmap.Token, r []float64, rows, n, features int) error {
	for b := range rows {
		t := heatmap.Text{Target: rowLabel(label, b, rows), Tokens: make([]heatmap.Token, n)}
		for i := range n {
			if len(tokens) == n || len(tokens) == rows*n {
				t.Tokens[i] = tokens[(b*n+i)%len(tokens)]
			} else {
				t.Tokens[i].Text = " " + strconv.Itoa(i)
			}
			for _, v := range r[(b*n+i)*features : (b*n+i+1)*features] {
				t.Tokens[i].Value += v
			}
		}
		d.Texts = append(d.Texts, t)
	}
	return nil
}

func rowLabel(label string, row, rows int) string {
	if rows == 1 {
		return label
	}
	return fmt.Sprintf("%s, row %d", label, row)
}

// draw writes the drawing to a file, to standard output, or for the terminal.
func (a *app) draw(d heatmap.Doc, o heatmap.Options, path, format string) error {
	if path == "" && format == "" {
		o.Colors, o.Width = a.colors(a.stdout), width(a.stdout)
		return heatmap.Terminal(a.stdout, d, o)
	}
	if format == "" {
		format = "txt"
	}
	if format == "pdf" || format == "png" {
		a.warnOfFont(d, o)
	}
	var buf bytes.Buffer
	if err := heatmap.Encode(&buf, format, d, o); err != nil {
		return err
	}
	return a.writeBytes(path, buf.Bytes())
}

// warnOfFont says which characters will not be legible.
func (a *app) warnOfFont(d heatmap.Doc, o heatmap.Options) {
	missing, err := heatmap.Missing(d, o)
	if err != nil || len(missing) == 0 {
		return // an error is that of the drawing
	}
	way := "; --font FILE.ttf takes another, and html every script"
	if o.Font != nil || unicode.In(missing[0], unicode.Arabic, unicode.Hebrew) {
		way = "; html shows every script"
	}
	a.warn("the font has no form for %d of the characters, such as %s%s", len(missing), string(missing[:min(3, len(missing))]), way)
}

func toArray(t *ir.Tensor) (npy.Array, error) {
	if t == nil {
		return npy.Array{}, fmt.Errorf("it was not computed")
	}
	return arrays.Array(t)
}

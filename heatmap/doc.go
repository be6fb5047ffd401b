// Package heatmap draws relevance so that a person can read it: tokens on
// coloured ground and pictures under a coloured map, as HTML, PDF, SVG, PNG,
// LaTeX, JSON or in the terminal.
//
// A Doc says what is drawn and Options say how; Write picks the writer by the
// ending of the file. The same Doc and Options give the same bytes.
package heatmap

import (
	"fmt"
	"image"
	"math"
)

// Doc is everything one heat map shows. It has Texts or Images or both, one
// for each target that is explained.
type Doc struct {
	Title string // what was asked, such as "Why Paris?"
	Model string // the model, such as SmolLM2-135M
	Rules string // the rule map, such as attnlrp

	Texts  []Text
	Images []Image
}

// Text is the relevance of every token for one target.
type Text struct {
	Target string // such as "Paris", or "logit 7"
	Tensor string // what the relevance is that of; "" if there is no need to say it
	Module string // the part of the model that computes it; "" if it is not known
	Tokens []Token
}

// Token is a piece of text and its relevance. Text is what the token stands
// for in the input, its leading space and line breaks included.
type Token struct {
	Text    string
	Value   float64
	Special bool // a control token such as <s>, not part of the text
}

// Image is the relevance of every pixel, or of every patch, for one target.
type Image struct {
	Target        string
	Tensor        string // as of a Text
	Module        string
	Width, Height int
	Values        []float64   // Height × Width, row by row
	Picture       image.Image // what the model saw; nil when there is none
}

// NewImage sums relevance over the channels of one picture. The shape is
// C × H × W or 1 × C × H × W.
func NewImage(target string, relevance []float32, shape []int, picture image.Image) (Image, error) {
	if len(shape) == 4 && shape[0] == 1 {
		shape = shape[1:]
	}
	if len(shape) != 3 {
		return Image{}, fmt.Errorf("heatmap: shape %v is not C × H × W of one picture", shape)
	}
	m := Image{Target: target, Height: shape[1], Width: shape[2], Picture: picture}
	area := m.Height * m.Width
	if shape[0] <= 0 || m.Height <= 0 || m.Width <= 0 || len(relevance) != shape[0]*area {
		return Image{}, fmt.Errorf("heatmap: %d values do not fill shape %v", len(relevance), shape)
	}
	m.Values = make([]float64, area)
	for i, r := range relevance {
		m.Values[i%area] += float64(r)
	}
	return m, m.check()
}

// sum is the relevance of the whole text.
func (t Text) sum() float64 {
	var sum float64
	for _, tok := range t.Tokens {
		sum += tok.Value
	}
	return sum
}

// sum is the relevance of the whole picture.
func (m Image) sum() float64 {
	var sum float64
	for _, v := range m.Values {
		sum += v
	}
	return sum
}

// check refuses what cannot be drawn, with the place of the first bad value.
func (d Doc) check() error {
	if len(d.Texts)+len(d.Images) == 0 {
		return fmt.Errorf("heatmap: nothing to draw: the document has no text and no picture")
	}
	for i, t := range d.Texts {
		if len(t.Tokens) == 0 {
			return fmt.Errorf("heatmap: text %d (%s) has no tokens", i, t.Target)
		}
		for k, tok := range t.Tokens {
			if !finite(tok.Value) {
				return fmt.Errorf("heatmap: token %d (%q) of text %d has relevance %v; relevance must be finite", k, tok.Text, i, tok.Value)
			}
		}
	}
	for i, m := range d.Images {
		if err := m.check(); err != nil {
			return fmt.Errorf("heatmap: picture %d (%s): %w", i, m.Target, err)
		}
	}
	return nil
}

func (m Image) check() error {
	if m.Width <= 0 || m.Height <= 0 || len(m.Values)/m.Width != m.Height || len(m.Values)%m.Width != 0 {
		return fmt.Errorf("%d values are not %d × %d", len(m.Values), m.Height, m.Width)
	}
	for i, v := range m.Values {
		if !finite(v) {
			return fmt.Errorf("the relevance of row %d, column %d is %v; relevance must be finite", i/m.Width, i%m.Width, v)
		}
	}
	if m.Picture != nil && m.Picture.Bounds().Empty() {
		return fmt.Errorf("the picture is empty")
	}
	return nil
}

func finite(v float64) bool { return !math.IsNaN(v) && !math.IsInf(v, 0) }

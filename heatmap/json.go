package heatmap

import (
	"encoding/json"
	"io"
)

// drawJSON writes the values as they are, with the scale they would be drawn
// to.
func drawJSON(w io.Writer, d Doc, o Options) error {
	type token struct {
		Text      string  `json:"text"`
		Relevance float64 `json:"relevance"`
		Special   bool    `json:"special,omitempty"`
	}
	type text struct {
		Target string  `json:"target"`
		Tensor string  `json:"tensor,omitempty"`
		Module string  `json:"module,omitempty"`
		Scale  float64 `json:"scale"`
		Tokens []token `json:"tokens"`
	}
	type picture struct {
		Target    string      `json:"target"`
		Tensor    string      `json:"tensor,omitempty"`
		Module    string      `json:"module,omitempty"`
		Scale     float64     `json:"scale"`
		Width     int         `json:"width"`
		Height    int         `json:"height"`
		Relevance [][]float64 `json:"relevance"`
	}
	var file struct {
		Title  string    `json:"title"`
		Model  string    `json:"model"`
		Rules  string    `json:"rules"`
		Texts  []text    `json:"texts,omitempty"`
		Images []picture `json:"images,omitempty"`
	}
	file.Title, file.Model, file.Rules = d.Title, d.Model, d.Rules
	textScales, imageScales := scales(d, o)
	for i, t := range d.Texts {
		out := text{Target: t.Target, Tensor: t.Tensor, Module: t.Module, Scale: textScales[i]}
		for _, tok := range t.Tokens {
			out.Tokens = append(out.Tokens, token{tok.Text, tok.Value, tok.Special})
		}
		file.Texts = append(file.Texts, out)
	}
	for i, m := range d.Images {
		out := picture{Target: m.Target, Tensor: m.Tensor, Module: m.Module, Scale: imageScales[i], Width: m.Width, Height: m.Height}
		for y := range m.Height {
			out.Relevance = append(out.Relevance, m.Values[y*m.Width:(y+1)*m.Width])
		}
		file.Images = append(file.Images, out)
	}
	e := json.NewEncoder(w)
	e.SetEscapeHTML(false)
	e.SetIndent("", " ")
	return e.Encode(file)
}

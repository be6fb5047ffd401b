package heatmap

import (
	"bytes"
	"encoding/base64"
	"fmt"
	"html/template"
	"image/png"
	"io"
	"strings"
)

// drawHTML writes one page without scripts or outside files.
func drawHTML(w io.Writer, d Doc, o Options) error {
	t, err := template.New("page").Parse(htmlPage)
	if err != nil {
		return fmt.Errorf("heatmap: %w", err)
	}
	page := htmlDoc{
		Title:    oneLine(d.title()),
		Heading:  oneLine(d.heading()),
		Gradient: template.CSS("background:" + cssGradient(o.Map)),
		Columns:  min(o.columns(), max(1, len(d.Images))),
	}
	textScales, imageScales := scales(d, o)
	for i, text := range d.Texts {
		out := htmlFromText(text, textScales[i], o)
		out.Headline = d.headline(text.Target, text.Tensor, text.Module)
		page.Texts = append(page.Texts, out)
	}
	for i, m := range d.Images {
		fig, err := htmlFromImage(m, imageScales[i], o)
		if err != nil {
			return err
		}
		fig.Headline = d.headline(m.Target, m.Tensor, m.Module)
		if m.Picture == nil {
			page.Maps = append(page.Maps, fig)
			continue
		}
		page.Images = append(page.Images, fig)
	}
	return t.Execute(w, page)
}

type htmlDoc struct {
	Title, Heading string
	Gradient       template.CSS
	Texts          []htmlText
	Images         []htmlFigure // with a picture, each a section
	Maps           []htmlFigure // without one, side by side
	Columns        int
}

type htmlText struct {
	Headline, Sum, Low, High string
	Pieces                   []htmlPiece
}

type htmlPiece struct {
	Gap, Class, Text, Value string
	Style                   template.CSS
	Newline                 bool
}

type htmlFigure struct {
	Headline, Target, Sum, Scale, Low, High string
	Views                                   []htmlView
}

type htmlView struct {
	Caption       string
	URI           template.URL
	Width, Height int
}

func htmlFromText(t Text, scale float64, o Options) htmlText {
	out := htmlText{Sum: signed(t.sum())}
	out.Low, out.High = ends(scale, t.beyond(scale, o))
	for _, p := range pieces(t) {
		ground := p.ground(scale, o)
		class := "t"
		if p.special {
			class = "t s"
		}
		if p.newline {
			class += " n"
		}
		out.Pieces = append(out.Pieces, htmlPiece{
			Gap: p.gap, Class: class, Text: p.text, Value: signed(p.value), Newline: p.newline,
			Style: template.CSS("background:" + cssHex(ground) + ";color:" + cssHex(ink(ground))),
		})
	}
	return out
}

func htmlFromImage(m Image, scale float64, o Options) (htmlFigure, error) {
	fig := htmlFigure{Target: oneLine(m.Target), Scale: number(scale), Sum: signed(m.sum())}
	fig.Low, fig.High = ends(scale, m.beyond(scale))
	for _, v := range views(m, scale, o) {
		var buf bytes.Buffer
		if err := png.Encode(&buf, v.img); err != nil {
			return fig, fmt.Errorf("heatmap: %w", err)
		}
		fig.Views = append(fig.Views, htmlView{
			Caption: v.caption,
			URI:     template.URL("data:image/png;base64," + base64.StdEncoding.EncodeToString(buf.Bytes())),
			Width:   v.img.Bounds().Dx(), Height: v.img.Bounds().Dy(),
		})
	}
	return fig, nil
}

// cssGradient is the map as a CSS gradient from left to right.
func cssGradient(m Map) string {
	const steps = 32
	colors := make([]string, steps+1)
	for i := range colors {
		colors[i] = cssHex(m.At(2*float64(i)/steps - 1))
	}
	return "linear-gradient(90deg," + strings.Join(colors, ",") + ")"
}

// In the dark the page around is dark; what is drawn keeps its colours, whose zero
// is white, and tells browsers not to change them.
const htmlPage = `<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{{.Title}}</title>
<style>
:root { color-scheme: only light; }
* { box-sizing: border-box; }
body { margin: 0; background: #fff; color: #1a1a1a; font: 15px/1.5 system-ui, -apple-system, "Segoe UI", Roboto, "Helvetica Neue", Arial, sans-serif; }
main { max-width: 50rem; margin: 0 auto; padding: 3rem 1.5rem 4rem; }
h1 { margin: 0; font-size: 1.6rem; line-height: 1.25; font-weight: 650; letter-spacing: -.01em; }
.by { margin: .3rem 0 0; color: #666; }
section { margin-top: 2.4rem; }
header { display: flex; flex-wrap: wrap; gap: .3rem 2rem; align-items: end; justify-content: space-between; padding-bottom: .5rem; border-bottom: 1px solid #e4e4e4; }
h2 { margin: 0; font-size: 1rem; font-weight: 600; }
h2 small { display: block; color: #777; font-size: .78rem; font-weight: 400; }
.legend { min-width: 13rem; font-size: .74rem; color: #555; font-variant-numeric: tabular-nums; }
.bar { height: .6rem; border-radius: 2px; box-shadow: inset 0 0 0 1px rgba(0,0,0,.12); -webkit-print-color-adjust: exact; print-color-adjust: exact; }
.ends { display: flex; justify-content: space-between; gap: 1.5em; margin-top: .15rem; white-space: nowrap; }
.text { margin: 1rem 0 0; font: 1.08rem/2 Charter, "Bitstream Charter", "Iowan Old Style", "Source Serif 4", Georgia, Cambria, "Noto Serif", serif; white-space: pre-wrap; overflow-wrap: anywhere; }
.t { position: relative; padding: .16em .03em; border-radius: 2px; box-decoration-break: clone; -webkit-box-decoration-break: clone; -webkit-print-color-adjust: exact; print-color-adjust: exact; }
.s { font: italic .78em/1 ui-monospace, "SF Mono", Menlo, Consolas, monospace; opacity: .8; }
.n::after { content: "\21B5"; opacity: .45; font-size: .8em; }
.t:hover { outline: 1.5px solid #1a1a1a; z-index: 2; }
.t:hover::before { content: attr(data-r); position: absolute; left: 0; bottom: 100%; margin-bottom: 4px; padding: .1em .5em; border-radius: 3px; background: #1a1a1a; color: #fff; font: 12px/1.6 ui-monospace, "SF Mono", Menlo, Consolas, monospace; white-space: nowrap; pointer-events: none; }
.grid { display: grid; gap: 1rem; margin-top: 1rem; }
.views { display: flex; flex-wrap: wrap; gap: 1rem; margin-top: 1rem; }
figure { margin: 0; flex: 1 1 13rem; max-width: 24rem; }
img { display: block; width: 100%; height: auto; image-rendering: pixelated; border-radius: 3px; box-shadow: 0 0 0 1px rgba(0,0,0,.1); }
figcaption { margin-top: .35rem; color: #666; font-size: .78rem; }
@media screen and (prefers-color-scheme: dark) {
body { background: #17181a; }
main { background: #fff; border-radius: 6px; margin: 2rem auto; }
}
</style>
</head>
<body>
<main>
<h1>{{.Title}}</h1>
{{with .Heading}}<p class="by">{{.}}</p>
{{end}}{{range .Texts}}<section>
<header><h2>{{.Headline}}<small>Σ relevance {{.Sum}}</small></h2>
<div class="legend"><div class="bar" style="{{$.Gradient}}"></div><div class="ends"><span>{{.Low}}</span><span>{{.High}}</span></div></div></header>
<p class="text">{{range .Pieces}}{{.Gap}}<span class="{{.Class}}" style="{{.Style}}" data-r="{{.Value}}">{{.Text}}</span>{{if .Newline}}
{{end}}{{end}}</p>
</section>
{{end}}{{range .Images}}<section>
<header><h2>{{.Headline}}<small>Σ relevance {{.Sum}}</small></h2>
<div class="legend"><div class="bar" style="{{$.Gradient}}"></div><div class="ends"><span>{{.Low}}</span><span>{{.High}}</span></div></div></header>
<div class="views">{{range .Views}}<figure><img src="{{.URI}}" width="{{.Width}}" height="{{.Height}}" alt="{{.Caption}}"><figcaption>{{.Caption}}</figcaption></figure>{{end}}</div>
</section>
{{end}}{{if .Maps}}<section>
<header><h2>Relevance<small>each map to its own scale</small></h2>
<div class="legend"><div class="bar" style="{{.Gradient}}"></div><div class="ends"><span>against</span><span>for</span></div></div></header>
<div class="grid" style="grid-template-columns:repeat({{.Columns}},minmax(0,1fr))">{{range .Maps}}{{$m := .}}{{range .Views}}<figure><img src="{{.URI}}" width="{{.Width}}" height="{{.Height}}" alt="relevance for {{$m.Target}}"><figcaption>{{$m.Target}}<br><small>±{{$m.Scale}} · Σ {{$m.Sum}}</small></figcaption></figure>{{end}}{{end}}</div>
</section>
{{end}}</main>
</body>
</html>
`

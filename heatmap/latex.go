package heatmap

import (
	"fmt"
	"image/color"
	"io"
	"strings"
)

// drawTeX writes a document for xelatex or lualatex: every token a coloured
// box.
func drawTeX(w io.Writer, d Doc, o Options) error {
	if len(d.Texts) == 0 {
		return fmt.Errorf("heatmap: LaTeX output is for texts; write pictures as pdf, png, svg or html")
	}
	var b strings.Builder
	b.WriteString(texPreamble)
	fmt.Fprintf(&b, "\\textbf{\\large %s}\\par\n", texEscape(oneLine(d.title())))
	if h := d.heading(); h != "" {
		fmt.Fprintf(&b, "{\\small\\color[gray]{0.35}%s\\par}\n", texEscape(oneLine(h)))
	}
	textScales, _ := scales(d, o)
	for i, t := range d.Texts {
		b.WriteString("\\medskip")
		if headline := d.headline(t.Target, t.Tensor, t.Module); headline != "" {
			fmt.Fprintf(&b, "\\textbf{%s}\\par", texEscape(headline))
		}
		b.WriteString("\\smallskip\n")
		texText(&b, t, textScales[i], o)
		texLegend(&b, textScales[i], o)
	}
	b.WriteString("\\end{document}\n")
	_, err := io.WriteString(w, b.String())
	return err
}

// texPreamble takes the first font it finds that has more than Latin; without
// one, characters that Latin Modern lacks vanish without an error.
const texPreamble = `% Compile with xelatex or lualatex.
\documentclass[11pt]{article}
\usepackage[a4paper,margin=25mm]{geometry}
\usepackage{fontspec}
\IfFontExistsTF{Noto Serif}{\setmainfont{Noto Serif}}{%
  \IfFontExistsTF{DejaVu Serif}{\setmainfont{DejaVu Serif}}{}}
\usepackage{xcolor}
\pagestyle{empty}
\setlength{\parindent}{0pt}
\setlength{\fboxsep}{0.5pt}
\raggedright
\linespread{1.25}
% \token{r,g,b}{r,g,b}{text}: a token on coloured ground.
\newcommand{\token}[3]{\colorbox[RGB]{#1}{\strut\textcolor[RGB]{#2}{#3}}}
% \joint: between tokens of one word; TeX breaks there if no space will do.
\newcommand{\joint}{\penalty300\relax}
\begin{document}
`

func texText(b *strings.Builder, t Text, scale float64, o Options) {
	for word := range words(pieces(t)) {
		if gap := word[0].gap; gap != "" {
			// A control space, because TeX skips plain ones that begin a line.
			b.WriteString(strings.Repeat("~", len(gap)-1) + `\ `)
		}
		for i, p := range word {
			if i > 0 {
				b.WriteString(`\joint`)
			}
			texToken(b, p, scale, o)
		}
	}
	b.WriteString("\\par\n")
}

func texToken(b *strings.Builder, p piece, scale float64, o Options) {
	text := strings.ReplaceAll(texEscape(p.text), " ", "~")
	if p.newline {
		text += "\\P{}"
	}
	if p.special {
		text = "\\textit{" + text + "}"
	}
	ground := p.ground(scale, o)
	fmt.Fprintf(b, "\\token{%s}{%s}{%s}%%\n", texColor(ground), texColor(ink(ground)), text)
	if p.newline {
		b.WriteString("\\par\n")
	}
}

// texLegend draws the scale as a row of narrow boxes.
func texLegend(b *strings.Builder, scale float64, o Options) {
	const steps = 41
	fmt.Fprintf(b, "\\smallskip{\\footnotesize $-%s$ against~", number(scale))
	for i := range steps {
		c := o.Map.At(2*float64(i)/(steps-1) - 1)
		fmt.Fprintf(b, "{\\color[RGB]{%s}\\rule{2pt}{6pt}}%%\n", texColor(c))
	}
	fmt.Fprintf(b, "~for $+%s$}\\par\n", number(scale))
}

func texColor(c color.RGBA) string { return fmt.Sprintf("%d,%d,%d", c.R, c.G, c.B) }

// texEscape escapes TeX's ten special characters in one pass, so that no
// replacement is escaped again. Characters that TeX joins into others (-- and
// quotes) are kept apart.
func texEscape(s string) string {
	return strings.NewReplacer(
		`\`, `\textbackslash{}`, `{`, `\{`, `}`, `\}`, `$`, `\$`, `&`, `\&`,
		`#`, `\#`, `%`, `\%`, `_`, `\_`, `^`, `\textasciicircum{}`, `~`, `\textasciitilde{}`,
		`-`, `-{}`, `'`, `\textquotesingle{}`, "`", `\textasciigrave{}`, `"`, `\textquotedbl{}`,
		`<`, `\textless{}`, `>`, `\textgreater{}`,
	).Replace(s)
}

// oneLine joins the lines of a title.
func oneLine(s string) string { return strings.ReplaceAll(clean(s), "\n", " ") }

// ground is the colour a piece stands on.
func (p piece) ground(scale float64, o Options) color.RGBA {
	if p.special && o.SkipSpecial {
		return o.Map.At(0)
	}
	return o.Map.At(unit(p.value, scale))
}

package eval

import (
	"encoding/xml"
	"fmt"
	"io"
	"math"
	"strings"
	"unicode/utf8"
)

// A Line is a curve of a plot: the mean score after each step.
type Line struct {
	Name   string
	Scores []float64
	Half   []float64 // half the confidence interval at each step; nil for none
	Dashed bool
	Color  int // lines of one colour belong together
}

// colors are those of Okabe and Ito, which the colour-blind can tell apart.
var colors = [...]string{"#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#000000"}

const (
	left, top, bottom                  = 70.0, 34.0, 46.0
	areaWidth, areaHeight              = 380.0, 320.0
	plotHeight                         = top + areaHeight + bottom
	ticks                              = 5
	lineStep, swatch, textSize float64 = 17, 22, 12
)

// Plot draws lines over the share of features removed, as an SVG picture.
func Plot(w io.Writer, title, score string, lines []Line) error {
	low, high := math.Inf(1), math.Inf(-1)
	for _, l := range lines {
		for i, s := range l.Scores {
			h := 0.0
			if l.Half != nil && !math.IsNaN(l.Half[i]) {
				h = l.Half[i]
			}
			if !math.IsNaN(s) && !math.IsInf(s, 0) {
				low, high = min(low, s-h), max(high, s+h)
			}
		}
	}
	if low > high {
		return fmt.Errorf("nothing to plot: no score is a number")
	}
	if low == high {
		low, high = low-1, high+1
	}
	step := niceStep((high - low) / ticks)
	low, high = step*math.Floor(low/step), step*math.Ceil(high/step)
	longest := 0
	for _, l := range lines {
		longest = max(longest, utf8.RuneCountInString(l.Name))
	}
	// A letter of Helvetica is 0.53 em wide on average; some texts are of wide ones.
	plotWidth := left + areaWidth + 14 + swatch + 6 + 0.62*textSize*float64(longest) + 12
	x := func(share float64) float64 { return left + share*areaWidth }
	y := func(score float64) float64 { return top + (high-score)/(high-low)*areaHeight }

	var b strings.Builder
	fmt.Fprintf(&b, `<svg xmlns="http://www.w3.org/2000/svg" width="%g" height="%g" viewBox="0 0 %g %g" font-family="Helvetica, Arial, sans-serif" font-size="%g">`+"\n",
		plotWidth, plotHeight, plotWidth, plotHeight, textSize)
	fmt.Fprintf(&b, "<title>%s</title>\n<rect width=\"100%%\" height=\"100%%\" fill=\"#fff\"/>\n", escaped(title))
	text := func(x, y float64, anchor, s string) {
		fmt.Fprintf(&b, `<text x="%.1f" y="%.1f" text-anchor="%s">%s</text>`+"\n", x, y, anchor, escaped(s))
	}
	text(left, top-14, "start", title)
	for i := range int(math.Round((high-low)/step)) + 1 {
		value := low + float64(i)*step
		fmt.Fprintf(&b, `<path d="M%.1f %.1fH%.1f" stroke="#ddd"/>`+"\n", left, y(value), left+areaWidth)
		text(left-8, y(value)+4, "end", fmt.Sprintf("%.6g", math.Round(value/step)*step+0))
	}
	for i := range ticks + 1 {
		text(x(float64(i)/ticks), top+areaHeight+18, "middle", fmt.Sprintf("%d %%", 100*i/ticks))
	}
	text(left+areaWidth/2, plotHeight-10, "middle", "features removed")
	fmt.Fprintf(&b, `<text transform="translate(16 %.1f) rotate(-90)" text-anchor="middle">%s</text>`+"\n", top+areaHeight/2, escaped(score))
	for k, l := range lines {
		color, dash := colors[l.Color%len(colors)], ""
		if l.Dashed {
			dash = ` stroke-dasharray="5 3"`
		}
		if band := bandOf(l, x, y); band != "" {
			fmt.Fprintf(&b, `<path d="%s" fill="%s" fill-opacity="0.12"/>`+"\n", band, color)
		}
		fmt.Fprintf(&b, `<path d="%s" fill="none" stroke="%s" stroke-width="1.6"%s/>`+"\n", pathOf(l.Scores, x, y), color, dash)
		at := top + 6 + float64(k)*lineStep
		fmt.Fprintf(&b, `<path d="M%.1f %.1fh%g" stroke="%s" stroke-width="2"%s/>`+"\n", left+areaWidth+14, at, swatch, color, dash)
		text(left+areaWidth+14+swatch+6, at+4, "start", l.Name)
	}
	b.WriteString("</svg>\n")
	_, err := io.WriteString(w, b.String())
	return err
}

// niceStep is the least of 1, 2 or 5 times a power of ten that is not below x.
func niceStep(x float64) float64 {
	power := math.Pow(10, math.Floor(math.Log10(x)))
	for _, m := range []float64{1, 2, 5} {
		if m*power >= x {
			return m * power
		}
	}
	return 10 * power
}

// pathOf draws a curve; it is interrupted where a score is no number.
func pathOf(scores []float64, x, y func(float64) float64) string {
	var b strings.Builder
	command := "M"
	for i, s := range scores {
		if math.IsNaN(s) || math.IsInf(s, 0) {
			command = "M"
			continue
		}
		fmt.Fprintf(&b, "%s%.1f %.1f", command, x(float64(i)/float64(len(scores)-1)), y(s))
		command = "L"
	}
	return b.String()
}

// bandOf outlines the confidence intervals; "" if there are none.
func bandOf(l Line, x, y func(float64) float64) string {
	if l.Half == nil {
		return ""
	}
	var b strings.Builder
	point := func(i int, score float64) {
		if math.IsNaN(score) || math.IsInf(score, 0) {
			return
		}
		command := "L"
		if b.Len() == 0 {
			command = "M"
		}
		fmt.Fprintf(&b, "%s%.1f %.1f", command, x(float64(i)/float64(len(l.Scores)-1)), y(score))
	}
	for i, s := range l.Scores {
		point(i, s+l.Half[i])
	}
	for i := len(l.Scores) - 1; i >= 0; i-- {
		point(i, l.Scores[i]-l.Half[i])
	}
	if b.Len() > 0 {
		b.WriteString("Z")
	}
	return b.String()
}

func escaped(s string) string {
	var b strings.Builder
	if err := xml.EscapeText(&b, []byte(s)); err != nil {
		panic(err) // a strings.Builder takes every write
	}
	return b.String()
}

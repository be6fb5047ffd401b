package heatmap

import (
	"fmt"
	"io"
	"math"
	"strconv"
	"strings"
)

// drawPlain writes a table: value, bar and quoted token, one token a line. A
// picture is summed over a grid of at most 16 × 16 cells.
func drawPlain(w io.Writer, d Doc, o Options) error {
	var b strings.Builder
	b.WriteString(oneLine(d.title()) + "\n")
	if h := d.heading(); h != "" {
		b.WriteString(oneLine(h) + "\n")
	}
	textScales, imageScales := scales(d, o)
	for i, t := range d.Texts {
		plainTarget(&b, d.headline(t.Target, t.Tensor, t.Module))
		for _, tok := range t.Tokens {
			v := tok.Value
			if tok.Special && o.SkipSpecial {
				v = 0
			}
			fmt.Fprintf(&b, "%+11.4e  %s  %s\n", tok.Value, bar(unit(v, textScales[i])), strconv.Quote(tok.Text))
		}
		fmt.Fprintf(&b, "scale %s\n", number(textScales[i]))
	}
	for i, m := range d.Images {
		plainTarget(&b, d.headline(m.Target, m.Tensor, m.Module))
		plainPicture(&b, m)
		fmt.Fprintf(&b, "scale %s\n", number(imageScales[i]))
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// plainTarget begins a table.
func plainTarget(b *strings.Builder, headline string) {
	b.WriteString("\n")
	if headline != "" {
		b.WriteString(headline + "\n")
	}
}

// bar draws a value of [-1, 1] around a middle line, eight characters a side.
func bar(v float64) string {
	const side = 8
	n := int(math.Round(math.Abs(v) * side))
	fill, rest := strings.Repeat("#", n), strings.Repeat(" ", side-n)
	if v < 0 {
		return rest + fill + "|" + strings.Repeat(" ", side)
	}
	return strings.Repeat(" ", side) + "|" + fill + rest
}

// plainPicture prints sums over cells, so that they add up to the whole.
func plainPicture(b *strings.Builder, m Image) {
	rows, columns := min(16, m.Height), min(16, m.Width)
	sums := make([]float64, rows*columns)
	for i, v := range m.Values {
		y, x := i/m.Width*rows/m.Height, i%m.Width*columns/m.Width
		sums[y*columns+x] += v
	}
	fmt.Fprintf(b, "%d x %d pixels in %d x %d cells\n", m.Height, m.Width, rows, columns)
	for y := range rows {
		for x := range columns {
			fmt.Fprintf(b, " %+.1e", sums[y*columns+x])
		}
		b.WriteString("\n")
	}
}

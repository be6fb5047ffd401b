package heatmap

import (
	"image"
	"image/color"
	"slices"
)

// shape is one thing on a page: a filled rectangle, a line of text (y is its
// baseline), or a picture. Lengths are points from the top left.
type shape struct {
	x, y, w, h float64
	fill       color.RGBA

	text  string
	style style
	size  float64

	img image.Image
}

// page is a list of shapes in drawing order.
type page struct {
	width, height float64
	shapes        []shape
}

// The page is A4 with 20 mm around; sizes are in points.
const (
	pageWidth  = 595.28
	pageHeight = 841.89
	margin     = 56.7
	measure    = pageWidth - 2*margin // width of the text

	edge = 28.35 // the margin of a picture, which is on no paper

	textSize = 11
	lineStep = 20
	boxAbove = 11.5 // of a token's ground, from the baseline
	boxBelow = 4.0
	pad      = 0.5 // left and right of a token; little, so that words hold together
)

// Greys of the page: text, what is said beside it, thin lines.
func black() color.RGBA { return color.RGBA{0x1a, 0x1a, 0x1a, 255} }
func dim() color.RGBA   { return color.RGBA{0x6b, 0x6b, 0x6b, 255} }
func pale() color.RGBA  { return color.RGBA{0xdd, 0xdd, 0xdd, 255} }

// composer sets a document onto pages.
type composer struct {
	faces  faces
	o      Options
	height float64 // of a page; 0 for one endless page
	pages  []page
	y      float64
}

// compose lays out the document on pages of the given height, or on one page as
// tall as it needs when the height is 0.
func compose(d Doc, o Options, height float64) ([]page, faces, error) {
	f, err := newFaces(o.Font)
	if err != nil {
		return nil, f, err
	}
	c := &composer{faces: f, o: o, height: height}
	c.turn()
	c.paragraph(oneLine(d.title()), bold, 17, 22, black())
	if h := d.heading(); h != "" {
		c.paragraph(oneLine(h), regular, 9.5, 14, dim())
	}
	textScales, imageScales := scales(d, o)
	for i, t := range d.Texts {
		c.header(d.headline(t.Target, t.Tensor, t.Module), t.sum(), textScales[i], t.beyond(textScales[i], o))
		c.text(t, textScales[i])
	}
	c.images(d, imageScales)
	if height == 0 {
		c.pages[0].height = c.y + margin
		c.pages[0].trim(margin - edge)
	}
	return c.pages, f, nil
}

func (c *composer) add(s shape) {
	p := &c.pages[len(c.pages)-1]
	p.shapes = append(p.shapes, s)
}

// turn starts a page.
func (c *composer) turn() {
	c.pages = append(c.pages, page{width: pageWidth, height: c.height})
	c.y = margin
}

// trim takes a strip off every side.
func (p *page) trim(strip float64) {
	p.width -= 2 * strip
	p.height -= 2 * strip
	for i := range p.shapes {
		p.shapes[i].x -= strip
		p.shapes[i].y -= strip
	}
}

// room turns the page if less than h is left on it.
func (c *composer) room(h float64) {
	if c.height > 0 && c.y+h > c.height-margin && c.y > margin {
		c.turn()
	}
}

// paragraph sets text in one colour, broken between words.
func (c *composer) paragraph(s string, st style, size, step float64, ink color.RGBA) {
	for s != "" {
		n := c.fit(s, st, size, measure)
		c.room(step)
		c.add(shape{x: margin, y: c.y + size, text: s[:n], style: st, size: size, fill: ink})
		c.y += step
		for s = s[n:]; len(s) > 0 && s[0] == ' '; s = s[1:] {
		}
	}
}

// fit returns how many bytes of s fit into the width: up to a space if there is
// one, and one rune at least.
func (c *composer) fit(s string, st style, size, width float64) int {
	w, space := 0.0, 0
	for i, r := range s {
		w += c.faces[st].runeWidth(r) * size
		if w > width && i > 0 {
			if space > 0 {
				return space
			}
			return i
		}
		if r == ' ' {
			space = i
		}
	}
	return len(s)
}

// header sets the headline at the left, the legend at the right and a thin line
// below both.
func (c *composer) header(headline string, sum, scale float64, beyond bool) {
	const legend, bar = 130.0, 6.0
	c.y += 14
	c.room(60 + lineStep) // keep a line of text with its header
	x := pageWidth - margin - legend
	c.gradient(x, c.y, legend, bar)
	low, high := ends(scale, beyond)
	const size = 7.5
	base := c.y + bar + 9
	width := func(s string) float64 { return c.faces[regular].width(s, size) }
	c.add(shape{x: x, y: base, text: low, size: size, fill: dim()})
	c.add(shape{x: x + legend - width(high), y: base, text: high, size: size, fill: dim()})
	if n := c.fit(headline, bold, 11, measure-legend-20); n < len(headline) {
		headline = headline[:n] + "…"
	}
	if headline != "" {
		c.add(shape{x: margin, y: base - 11, text: headline, style: bold, size: 11, fill: black()})
	}
	c.add(shape{x: margin, y: base, text: "Σ relevance " + signed(sum), size: 8, fill: dim()})
	c.add(shape{x: margin, y: base + 5, w: measure, h: 0.5, fill: pale()})
	c.y = base + 12
}

// gradient draws the colour scale.
func (c *composer) gradient(x, y, w, h float64) {
	const steps = 131
	for i := range steps {
		v := 2*float64(i)/(steps-1) - 1
		// Strips overlap their right neighbour, so that no seam shows.
		width := min(2*w/steps, w-float64(i)*w/steps)
		c.add(shape{x: x + float64(i)*w/steps, y: y, w: width, h: h, fill: c.o.Map.At(v)})
	}
	c.frame(x, y, w, h)
}

// framed draws a picture with a hairline around, so that a white map has an end.
func (c *composer) framed(img image.Image, x, y, w, h float64) {
	c.add(shape{x: x, y: y, w: w, h: h, img: img})
	c.frame(x, y, w, h)
}

func (c *composer) frame(x, y, w, h float64) {
	const line = 0.4
	for _, edge := range [][4]float64{{x, y, w, line}, {x, y + h - line, w, line}, {x, y, line, h}, {x + w - line, y, line, h}} {
		c.add(shape{x: edge[0], y: edge[1], w: edge[2], h: edge[3], fill: pale()})
	}
}

// text sets the tokens of one target. Lines break before words, a word being
// the tokens up to the next space; only a word longer than a line breaks
// between its tokens, and a token longer than a line between its runes.
func (c *composer) text(t Text, scale float64) {
	c.room(lineStep)
	x := 0.0
	newLine := func() {
		x = 0
		c.y += lineStep
		c.room(lineStep)
	}
	for word := range words(pieces(t)) {
		w := 0.0
		for _, p := range word {
			w += c.boxWidth(p)
		}
		gap := c.faces[regular].width(word[0].gap, textSize)
		if x > 0 && x+gap+w > measure && w <= measure {
			newLine()
		}
		if x > 0 || len(word[0].gap) > 1 { // an indent stays, the space of a wrap goes
			x += gap
		}
		for _, p := range word {
			if x > 0 && x+c.boxWidth(p) > measure {
				newLine()
			}
			for st, size := p.face(); ; {
				n := c.fitRunes(p.text, st, size, measure-x-2*pad)
				if n == len(p.text) {
					break
				}
				head := p
				head.text, head.newline = p.text[:n], false
				c.token(head, x, scale)
				newLine()
				p.text = p.text[n:]
			}
			c.token(p, x, scale)
			x += c.boxWidth(p)
			if p.newline {
				newLine()
			}
		}
	}
	c.y += lineStep
}

// face is how a piece is set: control tokens smaller and in italics.
func (p piece) face() (style, float64) {
	if p.special {
		return italic, 0.85 * textSize
	}
	return regular, textSize
}

// mark is what shows a line break that belongs to a token. The Go fonts have no
// return arrow.
const mark = "¶"

// boxWidth is the width of a token's ground.
func (c *composer) boxWidth(p piece) float64 {
	st, size := p.face()
	w := c.faces[st].width(p.text, size) + 2*pad
	if p.newline {
		w += c.faces[st].width(mark, 0.8*size)
	}
	return w
}

// fitRunes returns how many bytes of s fit into the width, one rune at least.
func (c *composer) fitRunes(s string, st style, size, width float64) int {
	w := 0.0
	for i, r := range s {
		w += c.faces[st].runeWidth(r) * size
		if w > width && i > 0 {
			return i
		}
	}
	return len(s)
}

// token draws one box at x from the left margin.
func (c *composer) token(p piece, x, scale float64) {
	st, size := p.face()
	ground := p.ground(scale, c.o)
	pen := ink(ground)
	base := c.y + boxAbove + 1
	c.add(shape{x: margin + x, y: base - boxAbove, w: c.boxWidth(p), h: boxAbove + boxBelow, fill: ground})
	if p.text != "" {
		c.add(shape{x: margin + x + pad, y: base, text: p.text, style: st, size: size, fill: pen})
	}
	if p.newline {
		x += c.faces[st].width(p.text, size) + pad
		c.add(shape{x: margin + x, y: base, text: mark, style: st, size: 0.8 * size, fill: between(ground, pen)})
	}
}

// between is the colour halfway.
func between(a, b color.RGBA) color.RGBA {
	mid := func(x, y uint8) uint8 { return uint8((int(x) + int(y)) / 2) }
	return color.RGBA{mid(a.R, b.R), mid(a.G, b.G), mid(a.B, b.B), 255}
}

// images sets pictures in rows. A target with a picture has a row of views to
// itself; maps without one share rows.
func (c *composer) images(d Doc, scales []float64) {
	var cells []cell
	for i, m := range d.Images {
		vs := views(m, scales[i], c.o)
		if len(vs) > 1 {
			c.header(d.headline(m.Target, m.Tensor, m.Module), m.sum(), scales[i], m.beyond(scales[i]))
			var row []cell
			for _, v := range vs {
				row = append(row, cell{v.img, v.caption, ""})
			}
			c.grid(row, c.o.columns())
			continue
		}
		cells = append(cells, cell{vs[0].img, oneLine(m.Target), "±" + number(scales[i])})
	}
	if len(cells) > 0 {
		c.y += 14
		c.room(20)
		c.gradient(pageWidth-margin-130, c.y, 130, 6)
		c.add(shape{x: margin, y: c.y + 6, text: "relevance, from − to + of each map's scale", size: 8, fill: dim()})
		c.y += 16
		c.grid(cells, min(c.o.columns(), len(cells)))
	}
}

// cell is a picture with its caption.
type cell struct {
	img     image.Image
	caption string
	scale   string // a second line, or nothing
}

// grid sets cells in columns of equal width.
func (c *composer) grid(cells []cell, columns int) {
	const gutter = 12.0
	caption := 16.0
	if slices.ContainsFunc(cells, func(c cell) bool { return c.scale != "" }) {
		caption = 26 // a second line
	}
	w := (measure - gutter*float64(columns-1)) / float64(columns)
	if columns < 3 {
		w = min(w, 2*measure/5) // a single map need not fill the page
	}
	for len(cells) > 0 {
		n := min(columns, len(cells))
		tallest := 0.0
		for _, cell := range cells[:n] {
			b := cell.img.Bounds()
			tallest = max(tallest, w*float64(b.Dy())/float64(b.Dx()))
		}
		if c.height > 0 { // no picture taller than a page
			tallest = min(tallest, c.height-2*margin-caption)
		}
		c.room(tallest + caption)
		for i, cell := range cells[:n] {
			b := cell.img.Bounds()
			h := min(tallest, w*float64(b.Dy())/float64(b.Dx()))
			x := margin + float64(i)*(w+gutter)
			c.framed(cell.img, x, c.y, h*float64(b.Dx())/float64(b.Dy()), h)
			text := cell.caption
			if k := c.fit(text, regular, 8.5, w); k < len(text) {
				text = text[:k] + "…"
			}
			c.add(shape{x: x, y: c.y + tallest + 11, text: text, size: 8.5, fill: black()})
			if cell.scale != "" {
				c.add(shape{x: x, y: c.y + tallest + 21, text: cell.scale, size: 7.5, fill: dim()})
			}
		}
		c.y += tallest + caption + 8
		cells = cells[n:]
	}
}

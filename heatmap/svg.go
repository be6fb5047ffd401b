package heatmap

import (
	"bytes"
	"encoding/base64"
	"encoding/xml"
	"fmt"
	"image/png"
	"io"
	"strings"
)

// drawSVG writes one picture as tall as it needs to be. The fonts are named,
// not embedded; each text is fitted to the width it was laid out for.
func drawSVG(w io.Writer, d Doc, o Options) error {
	pages, f, err := compose(d, o, 0)
	if err != nil {
		return err
	}
	p := pages[0]
	var b strings.Builder
	fmt.Fprintf(&b, `<svg xmlns="http://www.w3.org/2000/svg" width="%.2fpt" height="%.2fpt" viewBox="0 0 %.2f %.2f" font-family="Go, 'DejaVu Sans', 'Helvetica Neue', Arial, sans-serif">`+"\n",
		p.width, p.height, p.width, p.height)
	fmt.Fprintf(&b, "<title>%s</title>\n", xmlEscape(oneLine(d.title())))
	fmt.Fprintf(&b, `<rect width="%.2f" height="%.2f" fill="#ffffff"/>`+"\n", p.width, p.height)
	for _, s := range p.shapes {
		if err := svgShape(&b, f, s); err != nil {
			return err
		}
	}
	b.WriteString("</svg>\n")
	_, err = io.WriteString(w, b.String())
	return err
}

func svgShape(b *strings.Builder, f faces, s shape) error {
	switch {
	case s.img != nil:
		var buf bytes.Buffer
		if err := png.Encode(&buf, s.img); err != nil {
			return fmt.Errorf("heatmap: %w", err)
		}
		fmt.Fprintf(b, `<image x="%.2f" y="%.2f" width="%.2f" height="%.2f" style="image-rendering:pixelated" href="data:image/png;base64,%s"/>`+"\n",
			s.x, s.y, s.w, s.h, base64.StdEncoding.EncodeToString(buf.Bytes()))
	case s.text != "":
		look := [...]string{"", ` font-weight="bold"`, ` font-style="italic"`}[s.style]
		fmt.Fprintf(b, `<text x="%.2f" y="%.2f" font-size="%.2f" fill="%s"%s textLength="%.2f" lengthAdjust="spacingAndGlyphs" xml:space="preserve">%s</text>`+"\n",
			s.x, s.y, s.size, cssHex(s.fill), look, f[s.style].width(s.text, s.size), xmlEscape(s.text))
	default:
		fmt.Fprintf(b, `<rect x="%.2f" y="%.2f" width="%.2f" height="%.2f" fill="%s"/>`+"\n", s.x, s.y, s.w, s.h, cssHex(s.fill))
	}
	return nil
}

func xmlEscape(s string) string {
	var b strings.Builder
	if err := xml.EscapeText(&b, []byte(s)); err != nil {
		panic(err) // a strings.Builder takes every write
	}
	return b.String()
}

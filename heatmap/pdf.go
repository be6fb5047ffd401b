package heatmap

import (
	"bytes"
	"fmt"
	"image"
	"image/png"
	"io"
	"strconv"
	"time"

	"codeberg.org/go-pdf/fpdf"
)

// drawPDF writes pages of A4 with the fonts embedded.
func drawPDF(w io.Writer, d Doc, o Options) (err error) {
	pages, f, err := compose(d, o, pageHeight)
	if err != nil {
		return err
	}
	if o.Font != nil {
		// fpdf panics on fonts it cannot parse or cut. The Go fonts are known
		// to be good, so with them a panic is a bug and goes on.
		defer func() {
			if r := recover(); r != nil {
				err = fmt.Errorf("heatmap: the PDF writer cannot use this font (%v); try a plain TrueType font", r)
			}
		}()
	}
	pdf := fpdf.NewCustom(&fpdf.InitType{UnitStr: "pt", Size: fpdf.SizeType{Wd: pageWidth, Ht: pageHeight}})
	// The same document makes the same bytes: no clock, no map order.
	epoch := time.Date(1980, 1, 1, 0, 0, 0, 0, time.UTC)
	pdf.SetCreationDate(epoch)
	pdf.SetModificationDate(epoch)
	pdf.SetCatalogSort(true)
	pdf.SetTitle(oneLine(d.title()), true)
	pdf.SetSubject(oneLine(d.heading()), true)
	pdf.SetCreator("lxtc", true)
	pdf.SetMargins(0, 0, 0)
	pdf.SetAutoPageBreak(false, 0)
	for st, face := range f {
		pdf.AddUTF8FontFromBytes(family(style(st)), "", face.ttf)
	}
	p := pdfPage{pdf: pdf, faces: f, widths: map[int]bool{}}
	for _, page := range pages {
		pdf.AddPage()
		for _, s := range page.shapes {
			if err := p.shape(s); err != nil {
				return err
			}
		}
	}
	if err := pdf.Output(w); err != nil {
		return fmt.Errorf("heatmap: pdf: %w", err)
	}
	return nil
}

// family is the name a style goes by in the PDF.
func family(st style) string { return "face" + strconv.Itoa(int(st)) }

// pdfPage draws shapes with fpdf.
type pdfPage struct {
	pdf    *fpdf.Fpdf
	faces  faces
	widths map[int]bool // of the pictures so far, in pixels
}

func (p *pdfPage) shape(s shape) error {
	r, g, b := int(s.fill.R), int(s.fill.G), int(s.fill.B)
	switch {
	case s.img != nil:
		return p.picture(s)
	case s.text != "":
		p.pdf.SetFont(family(s.style), "", s.size)
		p.pdf.SetTextColor(r, g, b)
		p.pdf.Text(s.x, s.y, p.faces[s.style].shown(s.text))
	default:
		p.pdf.SetFillColor(r, g, b)
		p.pdf.Rect(s.x, s.y, s.w, s.h, "F")
	}
	return nil
}

// picture embeds an image. fpdf writes images in order of their pixel width and
// those of equal width in random order, so each gets a width of its own: the
// last column is repeated, and clipped away.
func (p *pdfPage) picture(s shape) error {
	b := s.img.Bounds()
	width := b.Dx()
	for p.widths[width] {
		width++
	}
	p.widths[width] = true
	wide := image.NewRGBA(image.Rect(0, 0, width, b.Dy()))
	for y := range b.Dy() {
		for x := range width {
			wide.Set(x, y, s.img.At(b.Min.X+min(x, b.Dx()-1), b.Min.Y+y))
		}
	}
	var buf bytes.Buffer
	if err := png.Encode(&buf, wide); err != nil {
		return fmt.Errorf("heatmap: %w", err)
	}
	name, kind := strconv.Itoa(width), fpdf.ImageOptions{ImageType: "PNG"}
	p.pdf.RegisterImageOptionsReader(name, kind, &buf)
	p.pdf.ClipRect(s.x, s.y, s.w, s.h, false)
	p.pdf.ImageOptions(name, s.x, s.y, s.w*float64(width)/float64(b.Dx()), s.h, false, kind, 0, "")
	p.pdf.ClipEnd()
	return nil
}

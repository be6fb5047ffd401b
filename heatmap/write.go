package heatmap

import (
	"bytes"
	"fmt"
	"io"
	"path/filepath"
	"strings"

	"github.com/lxtc/lxtc/internal/files"
)

// Options say how a Doc is drawn. The zero Options are good defaults.
type Options struct {
	Map Map // the colours; zero is Symmetric

	// Max is the relevance drawn in full colour. Zero stands for the largest
	// magnitude of each target, or of all targets when Shared is set; of a
	// picture with many pixels for one that half a percent of them exceed.
	Max    float64
	Shared bool

	// SkipSpecial leaves special tokens uncoloured and out of the scale. The
	// first token of a text often takes relevance that dwarfs all other.
	SkipSpecial bool

	// Columns is the number of pictures side by side; zero stands for 3.
	Columns int

	// Font is a TrueType font for PDF, SVG and PNG. Nil is the Go font, which
	// has Latin, Greek and Cyrillic.
	Font []byte

	// Colors and Width are for the terminal. Width zero is 80 columns.
	Colors Colors
	Width  int
}

func (o Options) check() error {
	if !finite(o.Max) || o.Max < 0 {
		return fmt.Errorf("heatmap: scale %v must be positive, or zero for the largest magnitude", o.Max)
	}
	if o.Columns < 0 || o.Width < 0 {
		return fmt.Errorf("heatmap: negative columns or width")
	}
	return nil
}

func (o Options) columns() int {
	if o.Columns == 0 {
		return 3
	}
	return o.Columns
}

// Format is a kind of file.
type Format struct {
	Name string // also the ending of the file, without the dot
	Doc  string
	draw func(w io.Writer, d Doc, o Options) error
}

// Formats returns the kinds of files Write makes.
func Formats() []Format {
	return []Format{
		{"html", "one self-contained page; hovering shows the value", drawHTML},
		{"pdf", "vector pages of A4 with embedded font, without TeX", drawPDF},
		{"svg", "one vector picture", drawSVG},
		{"png", "one picture", drawPNG},
		{"tex", "source for xelatex or lualatex", drawTeX},
		{"json", "the values", drawJSON},
		{"ansi", "text in terminal colours", drawANSI},
		{"txt", "a plain table of tokens and values", drawPlain},
	}
}

// Encode writes the document in the named format.
func Encode(w io.Writer, format string, d Doc, o Options) error {
	var names []string
	for _, f := range Formats() {
		if f.Name == format {
			return f.encode(w, d, o)
		}
		names = append(names, f.Name)
	}
	return fmt.Errorf("heatmap: unknown format %q; use one of %s", format, strings.Join(names, ", "))
}

func (f Format) encode(w io.Writer, d Doc, o Options) error {
	if err := d.check(); err != nil {
		return err
	}
	if err := o.check(); err != nil {
		return err
	}
	return f.draw(w, d, o)
}

// Write draws the document into a file; the ending of the path says the
// format. The file appears whole or not at all.
func Write(path string, d Doc, o Options) error {
	format := strings.TrimPrefix(strings.ToLower(filepath.Ext(path)), ".")
	if format == "htm" {
		format = "html"
	}
	var buf bytes.Buffer
	if err := Encode(&buf, format, d, o); err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	return files.Replace(path, buf.Bytes())
}

package heatmap

import (
	"fmt"
	"image"
	"image/color"
	"math"
)

// Imgify draws one map or a grid of equal-sized maps as a paletted picture,
// pixel for pixel as zennit.image.imgify does with the same colour map: value
// v becomes entry ⌊255·(v − vmin)/(vmax − vmin)⌋.
type Imgify struct {
	Map Map

	// VMin and VMax are the ends of the scale. When both are zero they are the
	// smallest and the largest value, or ∓ the largest magnitude if Symmetric.
	VMin, VMax float64
	Symmetric  bool

	// Rows and Columns of the grid, filled row by row; cells left over are
	// drawn as the smallest value. Zero stands for one row.
	Rows, Columns int
}

// Draw makes the picture.
func (f Imgify) Draw(maps []Image) (*image.Paletted, error) {
	if len(maps) == 0 {
		return nil, fmt.Errorf("heatmap: no maps to draw")
	}
	w, h := maps[0].Width, maps[0].Height
	lo, hi := math.Inf(1), math.Inf(-1)
	for i, m := range maps {
		if err := m.check(); err != nil {
			return nil, fmt.Errorf("heatmap: map %d: %w", i, err)
		}
		if m.Width != w || m.Height != h {
			return nil, fmt.Errorf("heatmap: map %d is %d × %d, the first is %d × %d", i, m.Height, m.Width, h, w)
		}
		for _, v := range m.Values {
			lo, hi = math.Min(lo, v), math.Max(hi, v)
		}
	}
	rows, columns := f.Rows, f.Columns
	if rows == 0 && columns == 0 {
		rows, columns = 1, len(maps)
	}
	if rows <= 0 || columns <= 0 || rows*columns < len(maps) {
		return nil, fmt.Errorf("heatmap: %d maps do not fit a grid of %d × %d", len(maps), rows, columns)
	}
	vmin, vmax := f.ends(lo, hi)
	if !(vmin < vmax) {
		if vmin != vmax {
			return nil, fmt.Errorf("heatmap: the scale from %g to %g is empty", vmin, vmax)
		}
		vmax = vmin + 1 // a constant map is drawn in the lowest colour
	}
	out := image.NewPaletted(image.Rect(0, 0, columns*w, rows*h), f.palette())
	index := func(v float64) uint8 {
		return uint8(math.Max(0, math.Min(255, (v-vmin)/(vmax-vmin)*255)))
	}
	for i := range out.Pix {
		out.Pix[i] = index(lo)
	}
	for i, m := range maps {
		x0, y0 := i%columns*w, i/columns*h
		for k, v := range m.Values {
			out.Pix[(y0+k/w)*out.Stride+x0+k%w] = index(v)
		}
	}
	return out, nil
}

func (f Imgify) ends(lo, hi float64) (vmin, vmax float64) {
	switch {
	case f.VMin != 0 || f.VMax != 0:
		return f.VMin, f.VMax
	case f.Symmetric:
		top := math.Max(math.Abs(lo), math.Abs(hi))
		return -top, top
	}
	return lo, hi
}

func (f Imgify) palette() color.Palette {
	var pal color.Palette
	for _, c := range f.Map.Palette() {
		pal = append(pal, c)
	}
	return pal
}

// view is one way to show a picture's relevance.
type view struct {
	caption string
	img     image.Image
}

// views returns the picture, the relevance alone, and the relevance over the
// picture; without a picture, the relevance only. All have the same size.
func views(m Image, scale float64, o Options) []view {
	if m.Picture == nil {
		w, h := enlarged(m.Width, m.Height)
		return []view{{"relevance", relevanceMap(m, scale, o, w, h)}}
	}
	b := m.Picture.Bounds()
	w, h := max(b.Dx(), m.Width), max(b.Dy(), m.Height)
	w, h = enlarged(w, h)
	return []view{
		{"input", stretched{m.Picture, w, h}.rgba()},
		{"relevance", relevanceMap(m, scale, o, w, h)},
		{"relevance over input", overlay(m, scale, o, w, h)},
	}
}

// enlarged multiplies a small size by a whole number, so that pixels stay
// visible squares and pages do not blur them.
func enlarged(w, h int) (int, int) {
	const least = 224
	k := max(1, least/max(w, h))
	return k * w, k * h
}

// relevanceMap draws the relevance alone at w × h, each value a rectangle.
func relevanceMap(m Image, scale float64, o Options, w, h int) *image.RGBA {
	cmap := o.Map.orDefault()
	out := image.NewRGBA(image.Rect(0, 0, w, h))
	for y := range h {
		for x := range w {
			out.SetRGBA(x, y, cmap.At(unit(m.at(x, y, w, h), scale)))
		}
	}
	return out
}

// overlay lays the colour of each value's sign over the picture in pale grey. It
// covers more the larger the value, so that the picture shows where there is
// none.
func overlay(m Image, scale float64, o Options, w, h int) *image.RGBA {
	cmap := o.Map.orDefault()
	out := stretched{m.Picture, w, h}.rgba()
	for y := range h {
		for x := range w {
			v := unit(m.at(x, y, w, h), scale)
			// Less than linear, to keep weak relevance visible on a busy picture.
			cover := 0.95 * math.Pow(math.Abs(v), 0.7)
			full := cmap.At(math.Copysign(1, v))
			g := 255 - 0.6*(255-grey(out.RGBAAt(x, y)))
			mix := func(c uint8) uint8 { return uint8(g + cover*(float64(c)-g) + 0.5) }
			out.SetRGBA(x, y, color.RGBA{mix(full.R), mix(full.G), mix(full.B), 255})
		}
	}
	return out
}

// grey is the luma of a colour, 0 to 255.
func grey(c color.RGBA) float64 {
	return 0.299*float64(c.R) + 0.587*float64(c.G) + 0.114*float64(c.B)
}

// at returns the value under pixel (x, y) of a w × h rendering.
func (m Image) at(x, y, w, h int) float64 {
	return m.Values[y*m.Height/h*m.Width+x*m.Width/w]
}

// stretched is a picture at another size, by the nearest pixel.
type stretched struct {
	src  image.Image
	w, h int
}

func (s stretched) rgba() *image.RGBA {
	b := s.src.Bounds()
	out := image.NewRGBA(image.Rect(0, 0, s.w, s.h))
	for y := range s.h {
		for x := range s.w {
			c := s.src.At(b.Min.X+x*b.Dx()/s.w, b.Min.Y+y*b.Dy()/s.h)
			out.Set(x, y, c)
		}
	}
	return out
}

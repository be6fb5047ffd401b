package heatmap

import (
	"fmt"
	"image"
	"image/png"
	"io"
	"math"

	"golang.org/x/image/draw"
	"golang.org/x/image/font"
	"golang.org/x/image/font/opentype"
	"golang.org/x/image/math/fixed"
)

// drawPNG writes one picture, two pixels a point.
func drawPNG(w io.Writer, d Doc, o Options) error {
	pages, f, err := compose(d, o, 0)
	if err != nil {
		return err
	}
	p := pages[0]
	const scale = 2
	r := &raster{scale: scale, faces: f, open: map[fontKey]font.Face{}}
	width, height := int(math.Ceil(scale*p.width)), int(math.Ceil(scale*p.height))
	if height > 1<<16 {
		return fmt.Errorf("heatmap: a picture of %d × %d pixels is too tall; write html or pdf", width, height)
	}
	r.img = image.NewRGBA(image.Rect(0, 0, width, height))
	draw.Draw(r.img, r.img.Bounds(), image.White, image.Point{}, draw.Src)
	for _, s := range p.shapes {
		if err := r.shape(s); err != nil {
			return err
		}
	}
	if err := png.Encode(w, r.img); err != nil {
		return fmt.Errorf("heatmap: %w", err)
	}
	return nil
}

// raster draws shapes into pixels.
type raster struct {
	img   *image.RGBA
	scale float64
	faces faces
	open  map[fontKey]font.Face
}

// fontKey is a font at a size.
type fontKey struct {
	style style
	size  float64
}

func (r *raster) shape(s shape) error {
	switch {
	case s.img != nil:
		draw.NearestNeighbor.Scale(r.img, r.rect(s), s.img, s.img.Bounds(), draw.Src, nil)
	case s.text != "":
		face, err := r.face(s.style, s.size)
		if err != nil {
			return fmt.Errorf("heatmap: font: %w", err)
		}
		d := font.Drawer{Dst: r.img, Src: image.NewUniform(s.fill), Face: face, Dot: fixed.Point26_6{
			X: fixed.Int26_6(math.Round(64 * r.scale * s.x)),
			Y: fixed.Int26_6(math.Round(64 * r.scale * s.y)),
		}}
		d.DrawString(r.faces[s.style].shown(s.text))
	default:
		draw.Draw(r.img, r.rect(s), image.NewUniform(s.fill), image.Point{}, draw.Src)
	}
	return nil
}

// rect is the shape's rectangle in whole pixels, one at least on each side.
func (r *raster) rect(s shape) image.Rectangle {
	px := func(v float64) int { return int(math.Round(r.scale * v)) }
	x0, y0 := px(s.x), px(s.y)
	return image.Rect(x0, y0, max(x0+1, px(s.x+s.w)), max(y0+1, px(s.y+s.h)))
}

func (r *raster) face(st style, size float64) (font.Face, error) {
	key := fontKey{st, size}
	if f, ok := r.open[key]; ok {
		return f, nil
	}
	f, err := opentype.NewFace(r.faces[st].font, &opentype.FaceOptions{
		Size: size * r.scale, DPI: 72, Hinting: font.HintingNone,
	})
	if err != nil {
		return nil, err
	}
	r.open[key] = f
	return f, nil
}

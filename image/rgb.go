// Package image turns picture files into the tensors vision models eat, to the
// bit as Python's usual pipelines do: Pillow's decoding, conversion and
// resampling, torchvision's and transformers' cropping and normalisation.
//
// A picture goes through three steps: Open decodes it to 8-bit RGB,
// Preprocess.Apply resizes, crops and normalises it. The presets and
// ReadConfig say which numbers a model was trained with.
package image

import (
	"image"
	"image/color"
)

// RGB is a picture of Height × Width pixels of three bytes, row by row from
// the top left, without padding. It is an image.Image.
type RGB struct {
	Width, Height int
	Pix           []uint8
}

// NewRGB returns a black picture.
func NewRGB(width, height int) *RGB {
	return &RGB{Width: width, Height: height, Pix: make([]uint8, 3*width*height)}
}

// ColorModel implements image.Image.
func (m *RGB) ColorModel() color.Model { return color.RGBAModel }

// Bounds implements image.Image.
func (m *RGB) Bounds() image.Rectangle { return image.Rect(0, 0, m.Width, m.Height) }

// At implements image.Image.
func (m *RGB) At(x, y int) color.Color {
	if x < 0 || y < 0 || x >= m.Width || y >= m.Height {
		return color.RGBA{}
	}
	p := m.Pix[3*(y*m.Width+x):]
	return color.RGBA{R: p[0], G: p[1], B: p[2], A: 255}
}

// crop returns the width × height window whose top left corner is (left, top).
// What lies outside the picture is black.
func (m *RGB) crop(left, top, width, height int) *RGB {
	out := NewRGB(width, height)
	x0, x1 := max(0, -left), min(width, m.Width-left)
	for y := max(0, -top); y < min(height, m.Height-top) && x0 < x1; y++ {
		row := m.Pix[3*(y+top)*m.Width:]
		copy(out.Pix[3*(y*width+x0):3*(y*width+x1)], row[3*(x0+left):])
	}
	return out
}

// grey returns the picture with every pixel replaced by its luma, as Pillow's
// convert('L') computes it: ITU-R 601-2 in 16-bit fixed point.
func (m *RGB) grey() *RGB {
	out := NewRGB(m.Width, m.Height)
	for i := 0; i < len(m.Pix); i += 3 {
		r, g, b := uint32(m.Pix[i]), uint32(m.Pix[i+1]), uint32(m.Pix[i+2])
		l := uint8((19595*r + 38470*g + 7471*b + 1<<15) >> 16)
		out.Pix[i], out.Pix[i+1], out.Pix[i+2] = l, l, l
	}
	return out
}

package image

import (
	"bytes"
	"fmt"
	"image"
	"image/color"
	"image/jpeg"
	"image/png"
	"os"

	"golang.org/x/image/webp"
)

// maxPixels is the size above which Pillow too refuses a picture as a
// decompression bomb (twice Image.MAX_IMAGE_PIXELS).
const maxPixels = 2 * 89478485

// Open reads a PNG, JPEG or WebP file as Pillow's
// ImageOps.exif_transpose(Image.open(path)).convert("RGB").
func Open(path string) (*RGB, error) {
	b, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	m, err := Decode(b)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return m, nil
}

// Decode reads the bytes of a PNG, JPEG or WebP file. Alpha is dropped, not
// blended; grey is repeated; palettes are looked up. 16-bit colour keeps its high
// byte. The picture is turned upright, as its EXIF orientation says: viewers do
// it, and transformers' load_image, while torchvision, timm and open_clip take
// pixels as they are stored.
func Decode(b []byte) (*RGB, error) {
	f, err := sniff(b)
	if err != nil {
		return nil, err
	}
	cfg, err := f.config(bytes.NewReader(b))
	if err != nil {
		return nil, fmt.Errorf("image: %w", err)
	}
	if cfg.Width <= 0 || cfg.Height <= 0 || cfg.Width > maxPixels/cfg.Height {
		return nil, fmt.Errorf("image: %d × %d pixels are over the limit of %d", cfg.Width, cfg.Height, maxPixels)
	}
	if int64(cfg.Width)*int64(cfg.Height) > f.most(cfg)*int64(len(b)) {
		return nil, fmt.Errorf("image: a file of %d bytes cannot hold %d × %d pixels", len(b), cfg.Width, cfg.Height)
	}
	m, err := f.decode(bytes.NewReader(b))
	if err != nil {
		return nil, fmt.Errorf("image: %w", err)
	}
	rgb, err := toRGB(m, f.chroma)
	if err != nil {
		return nil, err
	}
	return rgb.upright(Orientation(b)), nil
}

// format is a picture format we decode.
type format struct {
	config func(*bytes.Reader) (image.Config, error)
	decode func(*bytes.Reader) (image.Image, error)
	most   func(image.Config) int64 // pixels that one byte of a file can stand for
	chroma func(*image.YCbCr) *RGB
}

// sniff tells the format by the first bytes; the file name does not matter.
func sniff(b []byte) (format, error) {
	switch {
	case bytes.HasPrefix(b, []byte("\x89PNG\r\n\x1a\n")):
		return format{
			func(r *bytes.Reader) (image.Config, error) { return png.DecodeConfig(r) },
			func(r *bytes.Reader) (image.Image, error) { return png.Decode(r) },
			func(c image.Config) int64 { return 8 * deflateMost / bitsPerPixel(c.ColorModel) },
			nil, // there is none
		}, nil
	case bytes.HasPrefix(b, []byte("\xff\xd8\xff")):
		return format{
			func(r *bytes.Reader) (image.Config, error) { return jpeg.DecodeConfig(r) },
			func(r *bytes.Reader) (image.Image, error) { return jpeg.Decode(r) },
			func(image.Config) int64 { return 8 * 64 }, // every 8 × 8 block has a bit at least
			fromYCbCr,
		}, nil
	case bytes.HasPrefix(b, []byte("RIFF")) && len(b) > 12 && string(b[8:12]) == "WEBP":
		return format{
			func(r *bytes.Reader) (image.Config, error) { return webp.DecodeConfig(r) },
			func(r *bytes.Reader) (image.Image, error) { return webp.Decode(r) },
			func(image.Config) int64 { return maxPixels }, // a picture of one colour takes a few bytes, whatever its size
			fromWebP,
		}, nil
	}
	return format{}, fmt.Errorf("image: neither PNG nor JPEG nor WebP; convert the picture to PNG first")
}

// deflateMost is the number of bytes that one byte of a deflate stream can
// stand for: a match of 258 bytes takes two bits.
const deflateMost = 258 * 8 / 2

// bitsPerPixel is how much of a PNG's raw data a pixel takes at least.
func bitsPerPixel(m color.Model) int64 {
	switch m {
	case color.Gray16Model:
		return 16
	case color.RGBAModel: // without alpha
		return 24
	case color.NRGBAModel: // grey with alpha has two bytes
		return 16
	case color.RGBA64Model:
		return 48
	case color.NRGBA64Model:
		return 32
	}
	return 1 // grey and palettes of few bits
}

// toRGB converts what the decoders return, and Y'CbCr as the format has it.
func toRGB(m image.Image, fromChroma func(*image.YCbCr) *RGB) (*RGB, error) {
	b := m.Bounds()
	out := NewRGB(b.Dx(), b.Dy())
	switch m := m.(type) {
	case *image.YCbCr:
		return fromChroma(m), nil
	case *image.NYCbCrA:
		return fromChroma(&m.YCbCr), nil
	case *image.Gray:
		out.fill(func(x, y int) (r, g, b uint8) {
			l := m.GrayAt(x, y).Y
			return l, l, l
		})
	case *image.RGBA: // opaque: PNG of RGB, JPEG of RGB
		out.fill(func(x, y int) (r, g, b uint8) {
			c := m.RGBAAt(x, y)
			return c.R, c.G, c.B
		})
	case *image.NRGBA:
		out.fill(func(x, y int) (r, g, b uint8) {
			c := m.NRGBAAt(x, y)
			return c.R, c.G, c.B
		})
	case *image.RGBA64:
		out.fill(func(x, y int) (r, g, b uint8) {
			c := m.RGBA64At(x, y)
			return uint8(c.R >> 8), uint8(c.G >> 8), uint8(c.B >> 8)
		})
	case *image.NRGBA64:
		out.fill(func(x, y int) (r, g, b uint8) {
			c := m.NRGBA64At(x, y)
			return uint8(c.R >> 8), uint8(c.G >> 8), uint8(c.B >> 8)
		})
	case *image.Paletted:
		pal := palette(m)
		out.fill(func(x, y int) (r, g, b uint8) {
			c := pal[m.ColorIndexAt(x, y)]
			return c[0], c[1], c[2]
		})
	case *image.CMYK:
		out.fill(func(x, y int) (r, g, b uint8) {
			c := m.CMYKAt(x, y)
			return fromCMYK(c.C, c.K), fromCMYK(c.M, c.K), fromCMYK(c.Y, c.K)
		})
	case *image.Gray16:
		// Pillow clips such values to 255, which makes the picture white.
		// Nobody wants that, and anything else would not be Pillow's result.
		return nil, fmt.Errorf("image: 16-bit grey has no agreed 8-bit form; convert the picture to 8 bits first")
	default:
		return nil, fmt.Errorf("image: cannot convert %T to RGB", m)
	}
	return out, nil
}

// fill sets every pixel of m.
func (m *RGB) fill(at func(x, y int) (r, g, b uint8)) {
	i := 0
	for y := range m.Height {
		for x := range m.Width {
			m.Pix[i], m.Pix[i+1], m.Pix[i+2] = at(x, y)
			i += 3
		}
	}
}

// palette returns the colours without their alpha. An index beyond the palette
// is black.
func palette(m *image.Paletted) (pal [256][3]uint8) {
	for i, c := range m.Palette {
		switch c := c.(type) { // the two types image/png makes
		case color.RGBA:
			pal[i] = [3]uint8{c.R, c.G, c.B}
		case color.NRGBA:
			pal[i] = [3]uint8{c.R, c.G, c.B}
		}
	}
	return pal
}

// fromCMYK is Pillow's conversion of one ink over black (Convert.c: cmyk2rgb),
// with its rounded product of bytes.
func fromCMYK(ink, black uint8) uint8 {
	white := 255 - int(black)
	p := int(ink)*white + 128
	p = (p>>8 + p) >> 8
	return uint8(max(0, white-p))
}

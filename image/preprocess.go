package image

import (
	"fmt"
	"math"
)

// Preprocess says how a picture becomes the input of a model. The steps, in
// order; each is left out when its fields are zero:
//
//  1. Grey replaces the colours by their luma and leaves one channel.
//  2. Resize: to ShortSide on the shorter side (the longer one follows, rounded
//     down), or to Width × Height without keeping the proportions.
//  3. Crop to CropWidth × CropHeight from the middle; a smaller picture is
//     padded with black.
//  4. v = byte · Scale (1/255 makes 0…1), then (v − Mean[c]) / Std[c].
type Preprocess struct {
	Name string

	Grey          bool
	ShortSide     int
	Width, Height int
	Filter        Filter

	CropWidth, CropHeight int
	Crop                  CropRounding

	Scale     float64
	Mean, Std [3]float64 // only the first is used when Grey; a zero Std stands for 1

	Layout Layout
}

// CropRounding is where the window goes when the margin is odd.
type CropRounding int

const (
	// CropEven rounds half of the margin to the nearest even number
	// (torchvision.transforms.CenterCrop, and so open_clip and timm).
	CropEven CropRounding = iota
	// CropFloor rounds it down (transformers).
	CropFloor
)

// Layout is the order of a tensor's axes.
type Layout int

const (
	// NCHW is batch, channel, height, width.
	NCHW Layout = iota
	// NHWC is batch, height, width, channel.
	NHWC
)

// LayoutOf returns the layout of a tensor of four axes: channels last if the last
// axis is one or three long and the second is not. Unknown lengths are -1.
func LayoutOf(shape []int) Layout {
	channels := func(n int) bool { return n == 1 || n == 3 }
	if len(shape) == 4 && channels(shape[3]) && !channels(shape[1]) {
		return NHWC
	}
	return NCHW
}

// Tensor is the model input made from one picture.
type Tensor struct {
	Shape []int // of rank 4; the batch is 1
	Data  []float32

	// Picture is what the model sees, resized and cropped but not
	// normalised: the one to draw relevance on.
	Picture *RGB
}

// Apply runs the steps on one picture.
func (p Preprocess) Apply(m *RGB) (Tensor, error) {
	if m.Width <= 0 || m.Height <= 0 {
		return Tensor{}, fmt.Errorf("image: empty picture")
	}
	if err := p.check(); err != nil {
		return Tensor{}, fmt.Errorf("image: preprocessing %s: %w", p.Name, err)
	}
	if p.Grey {
		m = m.grey()
	}
	if w, h := p.size(m); w != m.Width || h != m.Height {
		if int64(w)*int64(h) > maxPrepared {
			return Tensor{}, fmt.Errorf("image: preprocessing %s: %d × %d pixels are more than %d", p.Name, w, h, maxPrepared)
		}
		var err error
		if m, err = m.Resize(w, h, p.Filter); err != nil {
			return Tensor{}, err
		}
	}
	if p.CropWidth > 0 {
		m = m.centre(p.CropWidth, p.CropHeight, p.Crop)
	}
	return p.tensor(m), nil
}

// maxPrepared bounds the pixels that a file beside a model makes of a picture:
// 8192 × 8192, which take a gigabyte as they are prepared.
const maxPrepared = 1 << 26

// check refuses numbers that cannot mean anything.
func (p Preprocess) check() error {
	for _, side := range []int{p.ShortSide, p.Width, p.Height, p.CropWidth, p.CropHeight} {
		if side < 0 || side > maxSide {
			return fmt.Errorf("side %d is not within 0 to %d", side, maxSide)
		}
	}
	if int64(p.CropWidth)*int64(p.CropHeight) > maxPrepared {
		return fmt.Errorf("a crop of %d × %d pixels, more than %d", p.CropWidth, p.CropHeight, maxPrepared)
	}
	if (p.Width > 0) != (p.Height > 0) || (p.CropWidth > 0) != (p.CropHeight > 0) {
		return fmt.Errorf("a width without a height, or a height without a width")
	}
	if p.ShortSide > 0 && p.Width > 0 {
		return fmt.Errorf("both a short side and a width; choose one")
	}
	if !(p.Scale > 0) || math.IsInf(p.Scale, 0) {
		return fmt.Errorf("scale %g; use 1/255 for values from 0 to 1, or 1 for bytes", p.Scale)
	}
	for _, v := range append(p.Mean[:], p.Std[:]...) {
		if math.IsNaN(v) || math.IsInf(v, 0) {
			return fmt.Errorf("mean %v and std %v must be finite", p.Mean, p.Std)
		}
	}
	return nil
}

// size returns the size after the resize step.
func (p Preprocess) size(m *RGB) (width, height int) {
	switch {
	case p.Width > 0:
		return p.Width, p.Height
	case p.ShortSide == 0:
		return m.Width, m.Height
	case m.Width <= m.Height:
		return p.ShortSide, p.ShortSide * m.Height / m.Width
	}
	return p.ShortSide * m.Width / m.Height, p.ShortSide
}

// centre returns the window in the middle.
func (m *RGB) centre(width, height int, r CropRounding) *RGB {
	return m.crop(offset(m.Width, width, r), offset(m.Height, height, r), width, height)
}

// offset returns where a window of the given side starts; it is negative when
// the picture is the smaller one. torchvision pads the smaller half first
// ((crop − side) div 2); transformers pads the larger half first.
func offset(side, crop int, r CropRounding) int {
	margin := side - crop
	if margin < 0 {
		if r == CropFloor {
			return -((1 - margin) / 2)
		}
		return -(-margin / 2)
	}
	if r == CropFloor {
		return margin / 2
	}
	return int(math.RoundToEven(float64(margin) / 2))
}

// tensor scales and normalises. Each step is rounded to float32, as torchvision
// and transformers round it.
func (p Preprocess) tensor(m *RGB) Tensor {
	channels := 3
	if p.Grey {
		channels = 1
	}
	var table [3][256]float32
	for c := range channels {
		mean, std := float32(p.Mean[c]), float32(p.Std[c])
		if std == 0 {
			std = 1
		}
		for v := range 256 {
			table[c][v] = (float32(float64(v)*p.Scale) - mean) / std
		}
	}
	area := m.Width * m.Height
	t := Tensor{
		Shape:   []int{1, channels, m.Height, m.Width},
		Data:    make([]float32, channels*area),
		Picture: m,
	}
	pixel, channel := 1, area
	if p.Layout == NHWC {
		t.Shape = []int{1, m.Height, m.Width, channels}
		pixel, channel = channels, 1
	}
	for i := range area {
		for c := range channels {
			t.Data[i*pixel+c*channel] = table[c][m.Pix[3*i+c]]
		}
	}
	return t
}

package image

import (
	"encoding/json"
	"fmt"
	"math"
)

// ParseTimm reads the pretrained_cfg of a timm model's config.json: its
// evaluation transform. ok is false if the file holds none.
func ParseTimm(text []byte) (p Preprocess, ok bool, err error) {
	var file struct {
		Pretrained *struct {
			InputSize     []int     `json:"input_size"` // channels, height, width
			Interpolation string    `json:"interpolation"`
			CropPct       float64   `json:"crop_pct"`
			CropMode      string    `json:"crop_mode"`
			Mean          []float64 `json:"mean"`
			Std           []float64 `json:"std"`
		} `json:"pretrained_cfg"`
	}
	if err := json.Unmarshal(text, &file); err != nil {
		return p, false, fmt.Errorf("image: %w", err)
	}
	c := file.Pretrained
	if c == nil {
		return p, false, nil
	}
	if len(c.InputSize) != 3 || c.InputSize[0] != 3 || c.InputSize[1] <= 0 || c.InputSize[1] != c.InputSize[2] {
		return p, true, fmt.Errorf("image: input_size is %v, want 3 channels of a square", c.InputSize)
	}
	size := c.InputSize[1]
	if c.CropPct == 0 {
		c.CropPct = 0.875
	}
	if c.CropPct < 0.1 || c.CropPct > 1 {
		return p, true, fmt.Errorf("image: crop_pct is %g, want 0.1 to 1", c.CropPct)
	}
	p = Preprocess{CropWidth: size, CropHeight: size, Scale: 1.0 / 255}
	scaled := int(math.Floor(float64(size) / c.CropPct))
	switch c.CropMode {
	case "", "center":
		p.ShortSide = scaled
	case "squash":
		p.Width, p.Height = scaled, scaled
	default:
		return p, true, fmt.Errorf("image: crop_mode is %q, want center or squash", c.CropMode)
	}
	if err := p.described(c.Interpolation, c.Mean, c.Std, imagenetMean(), imagenetStd()); err != nil {
		return p, true, err
	}
	return p, true, p.check()
}

// ParseOpenCLIP reads the preprocess_cfg of an open_clip_config.json. The size
// of pictures is the vision tower's, if that section leaves it out.
func ParseOpenCLIP(text []byte) (Preprocess, error) {
	var file struct {
		Model struct {
			Vision struct {
				ImageSize int `json:"image_size"`
			} `json:"vision_cfg"`
		} `json:"model_cfg"`
		Preprocess struct {
			Size          int       `json:"size"`
			Mean          []float64 `json:"mean"`
			Std           []float64 `json:"std"`
			Interpolation string    `json:"interpolation"`
			ResizeMode    string    `json:"resize_mode"`
		} `json:"preprocess_cfg"`
	}
	var p Preprocess
	if err := json.Unmarshal(text, &file); err != nil {
		return p, fmt.Errorf("image: %w", err)
	}
	c, size := file.Preprocess, file.Preprocess.Size
	if size == 0 {
		size = file.Model.Vision.ImageSize
	}
	if size <= 0 {
		return p, fmt.Errorf("image: want the size of pictures in preprocess_cfg or vision_cfg")
	}
	p = Preprocess{CropWidth: size, CropHeight: size, Scale: 1.0 / 255}
	switch c.ResizeMode {
	case "", "shortest":
		p.ShortSide = size
	case "squash":
		p.Width, p.Height = size, size
	default:
		return p, fmt.Errorf("image: resize_mode is %q, want shortest or squash", c.ResizeMode)
	}
	clip := CLIP()
	if err := p.described(c.Interpolation, c.Mean, c.Std, clip.Mean, clip.Std); err != nil {
		return p, err
	}
	return p, p.check()
}

// described fills in how p interpolates and normalizes, by default bicubic and
// with the given statistics.
func (p *Preprocess) described(interpolation string, mean, std []float64, defaultMean, defaultStd [3]float64) error {
	switch interpolation {
	case "", "bicubic", "random": // open_clip evaluates the latter so
		p.Filter = Bicubic
	case "bilinear":
		p.Filter = Bilinear
	case "nearest":
		p.Filter = Nearest
	default:
		return fmt.Errorf("image: interpolation is %q, want bicubic, bilinear or nearest", interpolation)
	}
	p.Mean, p.Std = defaultMean, defaultStd
	for _, f := range []struct {
		name string
		from []float64
		to   *[3]float64
	}{{"mean", mean, &p.Mean}, {"std", std, &p.Std}} {
		if len(f.from) != 0 && copy(f.to[:], f.from) != 3 || len(f.from) > 3 {
			return fmt.Errorf("image: %s is %v, want a number for each of 3 channels", f.name, f.from)
		}
	}
	return nil
}

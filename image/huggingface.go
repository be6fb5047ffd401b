package image

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
)

// ReadConfig reads the preprocessor_config.json of a Hugging Face model.
func ReadConfig(path string) (Preprocess, error) {
	b, err := os.ReadFile(path)
	if err != nil {
		return Preprocess{}, err
	}
	p, err := ParseConfig(b)
	if err != nil {
		return Preprocess{}, fmt.Errorf("%s: %w", path, err)
	}
	return p, nil
}

// ParseConfig reads the text of a preprocessor_config.json. Fields that are
// left out take the defaults of the image processor the file names; a file that
// names none must say itself what size, mean and deviation are. A field that
// changes pixels in a way Preprocess cannot is an error.
//
// The result is that of transformers' image processors with Pillow ("slow");
// the "fast" ones resize in torch, whose bytes differ a little.
func ParseConfig(text []byte) (Preprocess, error) {
	var fields map[string]json.RawMessage
	if err := json.Unmarshal(text, &fields); err != nil {
		return Preprocess{}, fmt.Errorf("image: %w", err)
	}
	c := config{fields: fields}
	kind := c.processor()
	p := kind.defaults
	c.colours(&p)
	c.resize(&p, kind)
	c.crop(&p)
	c.rescale(&p)
	c.normalise(&p, kind)
	c.layout(&p)
	c.rest()
	if c.err != nil {
		return Preprocess{}, fmt.Errorf("image: %w", c.err)
	}
	if err := p.check(); err != nil {
		return Preprocess{}, fmt.Errorf("image: %w", err)
	}
	return p, nil
}

// processor is an image processor class of transformers.
type processor struct {
	defaults Preprocess
	// square says what a size that is one number means: both sides, or the
	// short one.
	square bool
	// cropPct is ConvNeXT's: below 384 the short side is size/crop_pct and the
	// middle is cropped to size.
	cropPct bool
	// defaultless is no class at all: fields that decide must be there.
	defaultless bool
}

// unnamed is what files mean that name no image processor, as hand-made ones
// do: a size that is one number is the short side if a crop follows.
func unnamed(crops bool) processor {
	return processor{
		defaults:    Preprocess{Filter: Bilinear, Crop: CropFloor, Scale: 1.0 / 255},
		square:      !crops,
		defaultless: true,
	}
}

// processors lists the classes whose code is covered, without the endings
// ImageProcessor, ImageProcessorFast, ImageProcessorPil and FeatureExtractor.
func processors() map[string]processor {
	clip := CLIP()
	clip.Crop = CropFloor
	vit := HFViT()
	deit := Preprocess{
		Width: 256, Height: 256, Filter: Bicubic, CropWidth: 224, CropHeight: 224, Crop: CropFloor,
		Scale: 1.0 / 255, Mean: all(0.5), Std: all(0.5),
	}
	siglip := HFViT()
	siglip.Filter = Bicubic
	convnext := Preprocess{
		ShortSide: 384, Crop: CropFloor,
		Scale: 1.0 / 255, Mean: all(0.5), Std: all(0.5),
	}
	return map[string]processor{
		"CLIP":        {defaults: clip},
		"ChineseCLIP": {defaults: clip},
		"Bit":         {defaults: clip},
		"ViT":         {defaults: vit, square: true},
		"DeiT":        {defaults: deit, square: true},
		"Siglip":      {defaults: siglip},
		"ConvNext":    {defaults: convnext, cropPct: true},
	}
}

// config reads the fields of the file. It keeps the first error and removes
// every field it has understood.
type config struct {
	fields map[string]json.RawMessage
	err    error
}

func (c *config) fail(format string, args ...any) {
	if c.err == nil {
		c.err = fmt.Errorf(format, args...)
	}
}

// take decodes a field into to and reports whether it was there and not null.
func (c *config) take(name string, to any) bool {
	raw, ok := c.fields[name]
	delete(c.fields, name)
	if !ok || string(raw) == "null" || c.err != nil {
		return false
	}
	if err := json.Unmarshal(raw, to); err != nil {
		c.fail("field %q: %s is not what it should be: %w", name, bytes.TrimSpace(raw), err)
		return false
	}
	return true
}

// flag reads a boolean field with its default.
func (c *config) flag(name string, byDefault bool) bool {
	c.take(name, &byDefault)
	return byDefault
}

func (c *config) processor() processor {
	var name, old string
	c.take("image_processor_type", &name)
	c.take("feature_extractor_type", &old)
	if name == "" {
		name = old
	}
	if name == "" {
		return unnamed(string(c.fields["do_center_crop"]) == "true")
	}
	all := processors()
	short := name
	for _, suffix := range []string{"Fast", "Pil", "ImageProcessor", "FeatureExtractor"} {
		short = strings.TrimSuffix(short, suffix)
	}
	p, ok := all[short]
	if !ok {
		c.fail("image processor %q is not covered; covered are those of %s; name a preset instead",
			name, strings.Join(slices.Sorted(maps.Keys(all)), ", "))
	}
	p.defaults.Name = name
	return p
}

// sides is a size in one of its spellings: a number, {"shortest_edge": n} or
// {"height": h, "width": w}.
type sides struct {
	one, short, width, height int
}

func (s *sides) UnmarshalJSON(b []byte) error {
	*s = sides{}
	if json.Unmarshal(b, &s.one) == nil {
		return nil
	}
	var object map[string]*int
	if err := json.Unmarshal(b, &object); err != nil {
		return err
	}
	for key, value := range object {
		if value == nil {
			continue
		}
		switch key {
		case "shortest_edge":
			s.short = *value
		case "width":
			s.width = *value
		case "height":
			s.height = *value
		default:
			return fmt.Errorf("unknown key %q", key)
		}
	}
	if (s.width > 0) != (s.height > 0) || (s.short > 0) == (s.width > 0) {
		return fmt.Errorf("want shortest_edge, or height and width")
	}
	return nil
}

func (c *config) resize(p *Preprocess, kind processor) {
	do := c.flag("do_resize", true)
	var s sides
	if c.take("size", &s) {
		if s.one > 0 && kind.square {
			s.width, s.height = s.one, s.one
		} else if s.one > 0 {
			s.short = s.one
		}
		p.ShortSide, p.Width, p.Height = s.short, s.width, s.height
		if s.short+s.width <= 0 {
			c.fail("field \"size\" must be positive")
		}
	} else if do && kind.defaultless {
		c.missing("size")
	}
	resample := c.take("resample", &p.Filter)
	if kind.cropPct && !resample {
		// The default was bilinear in transformers 4 and is bicubic in 5.
		c.fail("field \"resample\" is missing, and its default depends on the version of transformers; add 2 (bilinear) or 3 (bicubic)")
	}
	if kind.cropPct {
		c.convnext(p)
	}
	if !do {
		p.ShortSide, p.Width, p.Height = 0, 0, 0
	}
}

// convnext resizes to a square from 384 on; below, it crops the middle out of a
// picture larger by 1/crop_pct.
func (c *config) convnext(p *Preprocess) {
	pct := 224.0 / 256
	c.take("crop_pct", &pct)
	if p.ShortSide == 0 || pct <= 0 {
		c.fail("ConvNext needs size.shortest_edge and a positive crop_pct")
		return
	}
	size := p.ShortSide
	if size >= 384 {
		p.ShortSide, p.Width, p.Height = 0, size, size
		return
	}
	p.ShortSide = int(float64(size) / pct)
	p.CropWidth, p.CropHeight = size, size
}

func (c *config) crop(p *Preprocess) {
	do := c.flag("do_center_crop", p.CropWidth > 0)
	var s sides
	if c.take("crop_size", &s) && do {
		side := s.one + s.short // both mean a square here
		p.CropWidth, p.CropHeight = s.width+side, s.height+side
	}
	if !do {
		p.CropWidth, p.CropHeight = 0, 0
		return
	}
	if p.CropWidth <= 0 {
		c.fail("field \"do_center_crop\" is true without a crop_size")
	}
}

func (c *config) rescale(p *Preprocess) {
	c.take("rescale_factor", &p.Scale)
	if !c.flag("do_rescale", true) {
		p.Scale = 1
	}
}

func (c *config) normalise(p *Preprocess, kind processor) {
	mean := c.channels("image_mean", &p.Mean)
	std := c.channels("image_std", &p.Std)
	switch do := c.flag("do_normalize", true); {
	case !do:
		p.Mean, p.Std = all(0), all(1)
	case kind.defaultless && !mean:
		c.missing("image_mean")
	case kind.defaultless && !std:
		c.missing("image_std")
	}
}

// missing refuses to guess the value of a field.
func (c *config) missing(name string) {
	c.fail("field %q is missing, and the file names no image processor (image_processor_type) whose default it could have", name)
}

// colours reads the number of channels: three, or one of grey.
func (c *config) colours(p *Preprocess) {
	n := 3
	c.take("num_channels", &n)
	switch n {
	case 1:
		p.Grey = true
	case 3:
	default:
		c.fail("field \"num_channels\" is %d; want 1 or 3", n)
	}
}

// channels reads one number for all channels, alone or in a list, or three
// numbers. It reports whether there were any.
func (c *config) channels(name string, to *[3]float64) bool {
	var raw json.RawMessage
	if !c.take(name, &raw) {
		return false
	}
	var one float64
	if json.Unmarshal(raw, &one) == nil {
		*to = all(one)
		return true
	}
	var list []float64
	switch err := json.Unmarshal(raw, &list); {
	case err == nil && len(list) == 1:
		*to = all(list[0])
	case err == nil && len(list) == 3:
		copy(to[:], list)
	default:
		c.fail("field %q must be a number or three numbers", name)
	}
	return true
}

func (c *config) layout(p *Preprocess) {
	var order string
	switch c.take("data_format", &order); order {
	case "", "channels_first":
	case "channels_last":
		p.Layout = NHWC
	default:
		c.fail("field \"data_format\" is %q; want channels_first or channels_last", order)
	}
}

// rest accepts the fields that change no pixel and refuses the others unless
// they are off.
func (c *config) rest() {
	for _, name := range slices.Sorted(maps.Keys(c.fields)) {
		switch raw := string(bytes.TrimSpace(c.fields[name])); {
		case raw == "null" || raw == "false":
		case slices.Contains(harmless(), name):
		default:
			c.fail("field %q (%s) is not understood, and it may change pixels", name, raw)
		}
	}
}

// harmless names the fields that describe the Python object or, as
// do_convert_rgb, what Decode has done already.
func harmless() []string {
	return []string{
		"_valid_processor_keys", "auto_map", "default_to_square", "device",
		"disable_grouping", "do_convert_rgb", "input_data_format", "model_input_names",
		"processor_class", "return_tensors", "transformers_version",
	}
}

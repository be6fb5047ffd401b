package image

import (
	"fmt"
	"math"
	"strings"
)

// CLIP is what OpenAI's CLIP and open_clip use.
func CLIP() Preprocess {
	return Preprocess{
		Name: "clip", ShortSide: 224, Filter: Bicubic, CropWidth: 224, CropHeight: 224,
		Scale: 1.0 / 255,
		Mean:  [3]float64{0.48145466, 0.4578275, 0.40821073},
		Std:   [3]float64{0.26862954, 0.26130258, 0.27577711},
	}
}

// HFViT is the default of transformers' ViTImageProcessor: squeezed to a
// square, no crop.
func HFViT() Preprocess {
	return Preprocess{
		Name: "hf-vit", Width: 224, Height: 224, Filter: Bilinear,
		Scale: 1.0 / 255, Mean: all(0.5), Std: all(0.5),
	}
}

// ImageNet is what torchvision's classification weights V1 use, ResNet's among
// them.
func ImageNet() Preprocess {
	return Preprocess{
		Name: "imagenet", ShortSide: 256, Filter: Bilinear, CropWidth: 224, CropHeight: 224,
		Scale: 1.0 / 255, Mean: imagenetMean(), Std: imagenetStd(),
	}
}

// Timm is timm's evaluation transform for a square input: the short side goes
// to ⌊size / cropPct⌋, bicubic. Its mean and std are ImageNet's; models with
// others (the augreg ViTs: 0.5) need Mean and Std set.
func Timm(size int, cropPct float64) Preprocess {
	return Preprocess{
		Name: "timm", ShortSide: int(math.Floor(float64(size) / cropPct)), Filter: Bicubic,
		CropWidth: size, CropHeight: size,
		Scale: 1.0 / 255, Mean: imagenetMean(), Std: imagenetStd(),
	}
}

// Presets returns the named pipelines in the order they are documented.
func Presets() []Preprocess {
	return []Preprocess{CLIP(), HFViT(), ImageNet(), Timm(224, 0.875)}
}

// Preset returns the pipeline of that name.
func Preset(name string) (Preprocess, error) {
	var names []string
	for _, p := range Presets() {
		if p.Name == name {
			return p, nil
		}
		names = append(names, p.Name)
	}
	return Preprocess{}, fmt.Errorf("image: no preset %q; the presets are %s", name, strings.Join(names, ", "))
}

// The statistics of ImageNet's training pictures, per channel.
func imagenetMean() [3]float64 { return [3]float64{0.485, 0.456, 0.406} }
func imagenetStd() [3]float64  { return [3]float64{0.229, 0.224, 0.225} }

func all(v float64) [3]float64 { return [3]float64{v, v, v} }

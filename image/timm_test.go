package image

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// The expected pipelines are what timm.data.create_transform (1.0.31) and
// open_clip.image_transform (3.3.0) print for these files.
func TestConfigsOfTimmAndOpenCLIP(t *testing.T) {
	half := all(0.5)
	clip := CLIP()
	for _, c := range []struct {
		name, text string
		read       func([]byte) (Preprocess, error)
		want       Preprocess
		wrong      string
	}{
		{"timm, cropped from the middle", `{"architecture": "vit", "pretrained_cfg": {"input_size": [3, 224, 224], "interpolation": "bicubic", "crop_pct": 0.9, "crop_mode": "center", "mean": [0.5, 0.5, 0.5], "std": [0.5, 0.5, 0.5]}}`, timm, Preprocess{
			ShortSide: 248, Filter: Bicubic, CropWidth: 224, CropHeight: 224, Scale: 1.0 / 255, Mean: half, Std: half,
		}, ""},
		{"timm, squashed", `{"pretrained_cfg": {"input_size": [3, 224, 224], "interpolation": "bilinear", "crop_pct": 0.9, "crop_mode": "squash"}}`, timm, Preprocess{
			Width: 248, Height: 248, Filter: Bilinear, CropWidth: 224, CropHeight: 224, Scale: 1.0 / 255, Mean: imagenetMean(), Std: imagenetStd(),
		}, ""},
		{"timm, with a border", `{"pretrained_cfg": {"input_size": [3, 224, 224], "crop_mode": "border"}}`, timm, Preprocess{}, `crop_mode is "border"`},
		{"timm, spectrograms", `{"pretrained_cfg": {"input_size": [1, 128, 1024]}}`, timm, Preprocess{}, "input_size is [1 128 1024]"},
		{"timm, one mean for two channels", `{"pretrained_cfg": {"input_size": [3, 8, 8], "mean": [0.5, 0.5]}}`, timm, Preprocess{}, "mean is [0.5 0.5]"},
		{"open_clip, size of the tower", `{"model_cfg": {"vision_cfg": {"image_size": 224}}, "preprocess_cfg": {"resize_mode": "shortest"}}`, ParseOpenCLIP, Preprocess{
			ShortSide: 224, Filter: Bicubic, CropWidth: 224, CropHeight: 224, Scale: 1.0 / 255, Mean: clip.Mean, Std: clip.Std,
		}, ""},
		{"open_clip, squashed", `{"preprocess_cfg": {"size": 256, "mean": [0.5, 0.5, 0.5], "std": [0.5, 0.5, 0.5], "interpolation": "bicubic", "resize_mode": "squash"}}`, ParseOpenCLIP, Preprocess{
			Width: 256, Height: 256, Filter: Bicubic, CropWidth: 256, CropHeight: 256, Scale: 1.0 / 255, Mean: half, Std: half,
		}, ""},
		{"open_clip, no size", `{}`, ParseOpenCLIP, Preprocess{}, "want the size"},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, err := c.read([]byte(c.text))
			if c.wrong != "" {
				if err == nil || !strings.Contains(err.Error(), c.wrong) {
					t.Errorf("error %v, want %q", err, c.wrong)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if d := cmp.Diff(c.want, got); d != "" {
				t.Error(d)
			}
		})
	}
	if _, ok, err := ParseTimm([]byte(`{"id2label": {"0": "cat"}}`)); ok || err != nil {
		t.Errorf("a config.json of transformers: %v, %v, want neither", ok, err)
	}
}

func timm(text []byte) (Preprocess, error) {
	p, _, err := ParseTimm(text)
	return p, err
}

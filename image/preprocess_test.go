package image

import (
	"encoding/json"
	"fmt"
	"math"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/lxtc/lxtc/internal/npy"
)

// sameTensor compares values and shape exactly: all of it is float32 arithmetic
// with one rounding a step.
func sameTensor(t *testing.T, want npy.Array, got Tensor) {
	t.Helper()
	if d := cmp.Diff(want.Shape, got.Shape); d != "" {
		t.Fatal("shape (-want +got):\n" + d)
	}
	values, err := want.Float32s()
	if err != nil {
		t.Fatal(err)
	}
	for i, w := range values {
		if w != got.Data[i] {
			t.Fatalf("value %d is %v, want %v", i, got.Data[i], w)
		}
	}
}

// The formulas of torchvision, and of transformers where they differ; see
// testdata/gen/image/pictures.py.
func TestApply(t *testing.T) {
	clip := CLIP()
	clip.ShortSide, clip.CropWidth, clip.CropHeight = 17, 14, 14
	clipFloor := clip
	clipFloor.Crop = CropFloor
	pad := ImageNet()
	pad.ShortSide, pad.CropWidth, pad.CropHeight = 0, 20, 20
	padFloor := pad
	padFloor.Crop = CropFloor
	squeeze := HFViT()
	squeeze.Width, squeeze.Height = 12, 12
	pipelines := map[string]Preprocess{
		"clip.torchvision": clip, "clip.transformers": clipFloor,
		"pad.torchvision": pad, "pad.transformers": padFloor,
		"squeeze": squeeze,
		"grey":    {Grey: true, Width: 8, Height: 8, Filter: Bilinear, Scale: 1},
	}
	each(t, "pipe.", func(t *testing.T, name string, want npy.Array) {
		picture, pipeline, _ := strings.Cut(name, ".")
		p, ok := pipelines[pipeline]
		if !ok {
			t.Fatalf("no pipeline %q", pipeline)
		}
		got, err := p.Apply(open(t, picture+".png"))
		if err != nil {
			t.Fatal(err)
		}
		sameTensor(t, want, got)
	})
}

// The image processors themselves; see testdata/gen/image/processors.py.
func TestParseConfigDoesAsTransformers(t *testing.T) {
	text, err := os.ReadFile("testdata/processors.json")
	if err != nil {
		t.Fatal(err)
	}
	var configs map[string]json.RawMessage
	if err := json.Unmarshal(text, &configs); err != nil {
		t.Fatal(err)
	}
	x, err := npy.ReadFile("testdata/processors.npz")
	if err != nil {
		t.Fatal(err)
	}
	if len(x) != 3*len(configs) {
		t.Fatalf("%d arrays for %d processors and 3 pictures", len(x), len(configs))
	}
	for _, e := range x {
		t.Run(e.Name, func(t *testing.T) {
			name, picture, _ := strings.Cut(e.Name, ".")
			p, err := ParseConfig(configs[name])
			if err != nil {
				t.Fatal(err)
			}
			got, err := p.Apply(open(t, picture+".png"))
			if err != nil {
				t.Fatal(err)
			}
			sameTensor(t, e.Array, got)
		})
	}
}

func TestParseConfigDefaults(t *testing.T) {
	clip := CLIP()
	clip.Crop = CropFloor
	grey := HFViT()
	grey.Grey = true
	unnamed := HFViT()
	unnamed.Crop = CropFloor
	tests := []struct {
		fact, text string
		want       Preprocess
	}{
		{"CLIP's are the preset", `{"image_processor_type": "CLIPImageProcessor"}`, clip},
		{"the fast class is the same", `{"image_processor_type": "CLIPImageProcessorFast"}`, clip},
		{"old files name a feature extractor", `{"feature_extractor_type": "ViTFeatureExtractor"}`, HFViT()},
		{"a number is a square for ViT", `{"feature_extractor_type": "ViTFeatureExtractor", "size": 224}`, HFViT()},
		{"a number is the short side for CLIP", `{"image_processor_type": "CLIPImageProcessor", "size": 224, "crop_size": 224}`, clip},
		{"null is as good as nothing", `{"image_processor_type": "ViTImageProcessor", "do_convert_rgb": null, "do_pad": null, "size": null}`, HFViT()},
		{"one channel is grey", `{"image_processor_type": "ViTImageProcessor", "num_channels": 1, "image_mean": [0.5], "image_std": 0.5}`, grey},
		{"a file may say everything itself", `{"size": {"height": 224, "width": 224}, "image_mean": [0.5, 0.5, 0.5], "image_std": [0.5]}`, unnamed},
		{"a number is a square where nothing crops", `{"size": 224, "image_mean": 0.5, "image_std": 0.5}`, unnamed},
		{
			"a number is the short side where something does", `{"size": 256, "do_center_crop": true, "crop_size": 224, "do_normalize": false}`,
			Preprocess{ShortSide: 256, Filter: Bilinear, CropWidth: 224, CropHeight: 224, Crop: CropFloor, Scale: 1.0 / 255, Std: all(1)},
		},
		{
			"neither resized nor normalised", `{"do_resize": false, "do_normalize": false}`,
			Preprocess{Filter: Bilinear, Crop: CropFloor, Scale: 1.0 / 255, Std: all(1)},
		},
		{"what is off does not matter", `{"image_processor_type": "ViTImageProcessor", "do_pad": false}`, HFViT()},
	}
	for _, tt := range tests {
		t.Run(tt.fact, func(t *testing.T) {
			got, err := ParseConfig([]byte(tt.text))
			if err != nil {
				t.Fatal(err)
			}
			got.Name = tt.want.Name
			if d := cmp.Diff(tt.want, got); d != "" {
				t.Error(d)
			}
		})
	}
}

func TestParseConfigRefuses(t *testing.T) {
	vit := func(fields string) string { return `{"image_processor_type": "ViTImageProcessor", ` + fields + `}` }
	tests := []struct {
		fact, text, want string
	}{
		{"no JSON", `{`, "unexpected end"},
		{"no processor, no size", `{}`, `field "size" is missing, and the file names no image processor`},
		{"no processor, no mean", `{"size": 3, "image_std": 1}`, `field "image_mean" is missing`},
		{"no processor, no deviation", `{"size": 3, "image_mean": 1}`, `field "image_std" is missing`},
		{"four channels", vit(`"num_channels": 4`), `field "num_channels" is 4`},
		{"a processor it does not know", `{"image_processor_type": "SamImageProcessor"}`, "is not covered"},
		{"padding", vit(`"do_pad": true`), `field "do_pad" (true) is not understood`},
		{"swapped channels", vit(`"do_flip_channel_order": true`), "may change pixels"},
		{"a number it has never seen", vit(`"sharpen": 2`), `"sharpen" (2)`},
		{"a size without a height", vit(`"size": {"width": 3}`), "want shortest_edge, or height and width"},
		{"a longest edge", vit(`"size": {"longest_edge": 3}`), `unknown key "longest_edge"`},
		{"a zero size", vit(`"size": 0`), "must be positive"},
		{"a size of a mile", vit(`"size": 100000`), "not within"},
		{"two channels", vit(`"image_mean": [1, 2]`), "three numbers"},
		{"a scale of zero", vit(`"rescale_factor": 0`), "scale 0"},
		{"a flag that is a word", vit(`"do_resize": "yes"`), `field "do_resize"`},
		{"a crop without a size", vit(`"do_center_crop": true`), "without a crop_size"},
		{"ConvNext without a filter", `{"image_processor_type": "ConvNextImageProcessor"}`, `field "resample" is missing`},
	}
	for _, tt := range tests {
		t.Run(tt.fact, func(t *testing.T) {
			_, err := ParseConfig([]byte(tt.text))
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got %v, want an error with %q", err, tt.want)
			}
		})
	}
}

func TestChannelsLast(t *testing.T) {
	m := &RGB{Width: 2, Height: 1, Pix: []uint8{0, 51, 102, 153, 204, 255}}
	p := Preprocess{Scale: 1.0 / 255, Mean: all(1), Std: all(2), Layout: NHWC}
	got, err := p.Apply(m)
	if err != nil {
		t.Fatal(err)
	}
	want := []float32{-0.5, -0.4, -0.3, -0.2, -0.1, 0}
	for i, w := range want {
		// float32 rounding of the three steps
		if math.Abs(float64(got.Data[i]-w)) > 1e-7 {
			t.Errorf("value %d is %v, want %v", i, got.Data[i], w)
		}
	}
	if d := cmp.Diff([]int{1, 1, 2, 3}, got.Shape); d != "" {
		t.Error(d)
	}
}

func TestApplyRefuses(t *testing.T) {
	tests := []struct {
		fact string
		p    Preprocess
	}{
		{"no scale", Preprocess{}},
		{"a width without a height", Preprocess{Scale: 1, Width: 3}},
		{"a crop without a width", Preprocess{Scale: 1, CropHeight: 3}},
		{"two sizes", Preprocess{Scale: 1, Width: 3, Height: 3, ShortSide: 3}},
		{"a negative side", Preprocess{Scale: 1, ShortSide: -1}},
		{"a mean that is no number", Preprocess{Scale: 1, Mean: all(math.NaN())}},
		{"a long side over the limit", Preprocess{Scale: 1, ShortSide: 30000}},
		{"a gigapixel", Preprocess{Scale: 1, Width: maxSide, Height: maxSide}},
		{"a crop of a gigapixel", Preprocess{Scale: 1, CropWidth: maxSide, CropHeight: maxSide}},
	}
	for _, tt := range tests {
		t.Run(tt.fact, func(t *testing.T) {
			if _, err := tt.p.Apply(NewRGB(4, 2)); err == nil {
				t.Error("accepted")
			}
		})
	}
	if _, err := CLIP().Apply(NewRGB(0, 2)); err == nil {
		t.Error("accepted an empty picture")
	}
}

func TestPresets(t *testing.T) {
	for _, p := range Presets() {
		t.Run(p.Name, func(t *testing.T) {
			got, err := Preset(p.Name)
			if err != nil {
				t.Fatal(err)
			}
			x, err := got.Apply(NewRGB(300, 260))
			if err != nil {
				t.Fatal(err)
			}
			if d := cmp.Diff([]int{1, 3, 224, 224}, x.Shape); d != "" {
				t.Error(d)
			}
		})
	}
	if _, err := Preset("vgg"); err == nil || !strings.Contains(err.Error(), "clip, hf-vit, imagenet, timm") {
		t.Errorf("got %v, want an error that lists the presets", err)
	}
	if p := Timm(224, 0.9); p.ShortSide != 248 {
		t.Errorf("timm with crop_pct 0.9 resizes to %d, want ⌊224/0.9⌋ = 248", p.ShortSide)
	}
}

// A black picture normalised by ImageNet's statistics is −mean/std, and the
// picture to draw on stays black.
func ExamplePreprocess_Apply() {
	x, err := ImageNet().Apply(NewRGB(640, 480))
	if err != nil {
		panic(err)
	}
	fmt.Println(x.Shape, x.Data[0], x.Picture.At(0, 0))
	// Output: [1 3 224 224] -2.117904 {0 0 0 255}
}

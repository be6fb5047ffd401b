package heatmap

import (
	"bytes"
	"image/color"
	"image/png"
	"math"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestPNGShowsTheColours(t *testing.T) {
	d := Doc{Images: []Image{{Target: "x", Width: 2, Height: 1, Values: []float64{1, -1}}}}
	m, err := png.Decode(bytes.NewReader(encode(t, "png", d, Options{})))
	if err != nil {
		t.Fatal(err)
	}
	seen := map[color.RGBA]int{}
	for y := range m.Bounds().Dy() {
		for x := range m.Bounds().Dx() {
			seen[color.RGBAModel.Convert(m.At(x, y)).(color.RGBA)]++
		}
	}
	plus, minus := seen[Symmetric().At(1)], seen[Symmetric().At(-1)]
	// Each half of the map is 385 × 385 points less its frame, and the legend
	// has two strips of the end colours.
	if plus < 10000 || minus < 10000 || math.Abs(float64(plus-minus)) > 0.03*float64(plus) {
		t.Errorf("%d pixels of full red, %d of full blue; want many, and about as many", plus, minus)
	}
}

// Of 100 × 100 pixels half a percent, here the 50 from 9950 on, have full colour.
func TestManyPixelsAreNotDwarfedByFew(t *testing.T) {
	m := Image{Width: 100, Height: 100, Values: make([]float64, 10000)}
	for i := range m.Values {
		m.Values[i] = float64(-i)
	}
	m.Values[9999] = 1e6
	if got := m.scale(); got != 9950 || !m.beyond(got) {
		t.Errorf("the scale is %g, want 9950, with values beyond", got)
	}
	clear(m.Values[:9999])
	if got := m.scale(); got != 1e6 {
		t.Errorf("the scale of a single value is %g, want the value", got)
	}
}

func TestNewImageSumsChannels(t *testing.T) {
	got, err := NewImage("cat", []float32{1, 2, 3, 4, 10, 20, 30, 40}, []int{1, 2, 2, 2}, nil)
	if err != nil {
		t.Fatal(err)
	}
	want := Image{Target: "cat", Width: 2, Height: 2, Values: []float64{11, 22, 33, 44}}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
	for _, shape := range [][]int{{2, 2}, {2, 2, 3}, {2, 1, 2, 2}, {0, 2, 2}} {
		if _, err := NewImage("", make([]float32, 8), shape, nil); err == nil {
			t.Errorf("shape %v was accepted", shape)
		}
	}
}

// zennit.image.imgify(…, symmetric=True, cmap="bwr", grid=(1, 3)): entry
// ⌊255·(v+1)/2⌋, zero is 127, and the cell left over is the smallest value.
func TestImgify(t *testing.T) {
	bwr, err := ParseMap("bwr")
	if err != nil {
		t.Fatal(err)
	}
	maps := []Image{
		{Width: 2, Height: 1, Values: []float64{-1, 0}},
		{Width: 2, Height: 1, Values: []float64{0.5, 2}},
	}
	tests := []struct {
		fact string
		f    Imgify
		want []uint8
	}{
		{"symmetric", Imgify{Map: bwr, Symmetric: true, Rows: 1, Columns: 3}, []uint8{63, 127, 159, 255, 63, 63}},
		{"from the smallest to the largest", Imgify{Map: bwr}, []uint8{0, 85, 127, 255}},
		{"given ends cut off", Imgify{Map: bwr, VMin: -0.5, VMax: 0.5}, []uint8{0, 127, 255, 255}},
		{"one below the other", Imgify{Map: bwr, Rows: 2, Columns: 1}, []uint8{0, 85, 127, 255}},
	}
	for _, tt := range tests {
		t.Run(tt.fact, func(t *testing.T) {
			got, err := tt.f.Draw(maps)
			if err != nil {
				t.Fatal(err)
			}
			if d := cmp.Diff(tt.want, got.Pix); d != "" {
				t.Error(d)
			}
			if c := got.Palette[127].(color.RGBA); c != (color.RGBA{253, 253, 255, 255}) {
				t.Errorf("entry 127 is %v", c)
			}
		})
	}
	for fact, f := range map[string]Imgify{
		"a grid too small": {Rows: 1, Columns: 1},
		"rows only":        {Rows: 2},
		"a backward scale": {VMin: 1, VMax: -1},
	} {
		if _, err := f.Draw(maps); err == nil {
			t.Errorf("%s was accepted", fact)
		}
	}
	if m, err := (Imgify{}).Draw([]Image{{Width: 1, Height: 1, Values: []float64{3}}}); err != nil || m.Pix[0] != 0 {
		t.Errorf("a constant map is %v, %v; want entry 0", m, err)
	}
}

func TestOverlayLeavesThePictureWhereThereIsNoRelevance(t *testing.T) {
	m := tiny().Images[0]
	got := overlay(m, 1, Options{}, 4, 2)
	if c := got.RGBAAt(3, 1); c.R != c.G || c.G != c.B {
		t.Errorf("no relevance is drawn as %v, want grey", c)
	}
	if c := got.RGBAAt(0, 0); c.R <= c.B {
		t.Errorf("positive relevance is drawn as %v, want red", c)
	}
	if c := got.RGBAAt(2, 0); c.B <= c.R {
		t.Errorf("negative relevance is drawn as %v, want blue", c)
	}
}

func TestNumber(t *testing.T) {
	for v, want := range map[float64]string{0: "0", 0.32411: "0.324", 12: "12", 2.031e-5: "2.03e−5", 1.5e-12: "1.5e−12", 4e21: "4e21"} {
		if got := number(v); got != want {
			t.Errorf("%g is written %q, want %q", v, got, want)
		}
	}
}

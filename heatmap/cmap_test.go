package heatmap

import (
	"encoding/hex"
	"encoding/json"
	"image/color"
	"math"
	"os"
	"strconv"
	"strings"
	"testing"
)

// lstar is CIE L*, perceived lightness from 0 to 100.
func lstar(c color.RGBA) float64 {
	y := luminance(c)
	if y <= 216.0/24389 {
		return y * 24389 / 27
	}
	return 116*math.Cbrt(y) - 16
}

func TestSymmetricIsEquallyLightOnBothSides(t *testing.T) {
	m := Symmetric()
	for i := range 101 {
		v := float64(i) / 100
		plus, minus := lstar(m.At(v)), lstar(m.At(-v))
		// Rounding a colour to bytes moves L* by up to 0.2 on either side.
		if d := math.Abs(plus - minus); d > 0.4 {
			t.Errorf("±%.2f: L* is %.2f and %.2f", v, plus, minus)
		}
		// Linear in magnitude: 100 at 0, 40 at 1.
		if d := math.Abs(plus - (100 - 60*v)); d > 0.6 {
			t.Errorf("%.2f: L* is %.2f, want %.2f", v, plus, 100-60*v)
		}
	}
	if got := m.At(0); got != (color.RGBA{255, 255, 255, 255}) {
		t.Errorf("no relevance is %v, want white", got)
	}
}

// testdata/bwr_matplotlib.hex is matplotlib's bwr, 256 colours, truncated to
// bytes as LXT's pdf_heatmap does; testdata/gen/image/matplotlib_bwr.py.
func TestMatplotlibBwr(t *testing.T) {
	text, err := os.ReadFile("testdata/bwr_matplotlib.hex")
	if err != nil {
		t.Fatal(err)
	}
	want := strings.TrimSpace(string(text))
	m, err := ParseMap("bwr-matplotlib")
	if err != nil {
		t.Fatal(err)
	}
	if got := packed(m); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	for v, want := range map[float64]color.RGBA{
		-1: {0, 0, 255, 255}, -0.5: {128, 128, 255, 255}, 0: {255, 254, 254, 255},
		0.5: {255, 126, 126, 255}, 1: {255, 0, 0, 255},
	} {
		if got := m.At(v); got != want {
			t.Errorf("at %g got %v, want %v", v, got, want)
		}
	}
}

func TestZennitBwr(t *testing.T) {
	m, err := ParseMap("bwr")
	if err != nil {
		t.Fatal(err)
	}
	pal := m.Palette()
	for i, want := range map[int]color.RGBA{
		0: {0, 0, 255, 255}, 127: {253, 253, 255, 255}, 128: {255, 255, 255, 255},
		129: {255, 252, 252, 255}, 255: {255, 0, 0, 255},
	} {
		if pal[i] != want {
			t.Errorf("entry %d is %v, want %v", i, pal[i], want)
		}
	}
	if got := m.At(0); got != pal[127] {
		t.Errorf("zero is %v, want entry 127 as zennit's imgify draws it", got)
	}
}

// zennit's own tables, where the fixtures are at hand.
func TestZennitPalettesToTheByte(t *testing.T) {
	text, err := os.ReadFile("../../shared/fixtures/anchors/palettes.json")
	if err != nil {
		t.Skip("the palettes made by zennit are not here: ", err)
	}
	var file struct {
		Palettes map[string]map[string]string
	}
	if err := json.Unmarshal(text, &file); err != nil {
		t.Fatal(err)
	}
	if len(file.Palettes) == 0 {
		t.Fatal("no palettes in the file")
	}
	for name, levels := range file.Palettes {
		for level, want := range levels {
			t.Run(name+"@"+level, func(t *testing.T) {
				m, err := ParseMap(name)
				if err != nil {
					t.Fatal(err)
				}
				f, err := strconv.ParseFloat(level, 64)
				if err != nil {
					t.Fatal(err)
				}
				if m, err = m.Level(f); err != nil {
					t.Fatal(err)
				}
				if got := packed(m); got != want {
					t.Errorf("got  %s\nwant %s", got, want)
				}
			})
		}
	}
}

func packed(m Map) string {
	var b []byte
	for _, c := range m.Palette() {
		b = append(b, c.R, c.G, c.B)
	}
	return hex.EncodeToString(b)
}

func TestParseMapRefuses(t *testing.T) {
	for _, spec := range []string{"", "f00", "jet", "00f,zz:fff,f00", "00f,1ff:fff,f00", "80:00f,40:fff,f00", "00f,,f00", "0000,fff", "+0f,fff"} {
		if m, err := ParseMap(spec); err == nil {
			t.Errorf("%q became %+v", spec, m)
		}
	}
	if _, err := Symmetric().Level(math.NaN()); err == nil {
		t.Error("a level that is not a number was accepted")
	}
}

func TestEveryNamedMapParses(t *testing.T) {
	for _, name := range Maps() {
		m, err := ParseMap(name)
		if err != nil {
			t.Error(err)
		}
		if m.Name() != name {
			t.Errorf("the map %q is called %q", name, m.Name())
		}
	}
}

func TestInkContrasts(t *testing.T) {
	for _, name := range Maps() {
		m, err := ParseMap(name)
		if err != nil {
			t.Fatal(err)
		}
		for _, ground := range m.Palette() {
			a, b := luminance(ground), luminance(ink(ground))
			// WCAG AA asks for 4.5; near-black #1a1a1a on mid greys gives a
			// little less than pure black would.
			if ratio := (math.Max(a, b) + 0.05) / (math.Min(a, b) + 0.05); ratio < 3.7 {
				t.Errorf("%s: contrast on %v is %.2f", name, ground, ratio)
			}
		}
	}
}

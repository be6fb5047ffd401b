package image

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/lxtc/lxtc/internal/npy"
)

// Everything in testdata, expected.npz included, is made by
// testdata/gen/image/pictures.py with Pillow 13.0.0.
func expected(t *testing.T) npy.Archive {
	t.Helper()
	x, err := npy.ReadFile("testdata/expected.npz")
	if err != nil {
		t.Fatal(err)
	}
	return x
}

// each runs a subtest for every expected array whose name starts with prefix,
// with the rest of the name, and fails if there is none.
func each(t *testing.T, prefix string, check func(t *testing.T, name string, want npy.Array)) {
	t.Helper()
	found := false
	for _, e := range expected(t) {
		if name, ok := strings.CutPrefix(e.Name, prefix); ok {
			found = true
			t.Run(name, func(t *testing.T) { check(t, name, e.Array) })
		}
	}
	if !found {
		t.Fatalf("no array starts with %q", prefix)
	}
}

func open(t *testing.T, name string) *RGB {
	t.Helper()
	m, err := Open(filepath.Join("testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// differ returns how many bytes of the picture are not the wanted ones, and
// the largest difference.
func differ(t *testing.T, want npy.Array, got *RGB) (count, largest int) {
	t.Helper()
	if s := fmt.Sprint(want.Shape); s != fmt.Sprint([]int{got.Height, got.Width, 3}) {
		t.Fatalf("got %d × %d, want shape %s", got.Height, got.Width, s)
	}
	for i, w := range want.Data {
		if d := int(w) - int(got.Pix[i]); d != 0 {
			count++
			largest = max(largest, d, -d)
		}
	}
	return count, largest
}

func TestResizeIsPillowsToTheBit(t *testing.T) {
	src := open(t, "noise.png")
	filters := map[string]Filter{
		"nearest": Nearest, "lanczos": Lanczos, "bilinear": Bilinear,
		"bicubic": Bicubic, "box": Box, "hamming": Hamming,
	}
	each(t, "resize.", func(t *testing.T, name string, want npy.Array) {
		filter, _, _ := strings.Cut(name, ".")
		got, err := src.Resize(want.Shape[1], want.Shape[0], filters[filter])
		if err != nil {
			t.Fatal(err)
		}
		if n, d := differ(t, want, got); n != 0 {
			t.Errorf("%d of %d values differ, by up to %d", n, len(want.Data), d)
		}
	})
}

func TestResizeToTheSameSizeIsACopy(t *testing.T) {
	src := open(t, "noise.png")
	got, err := src.Resize(src.Width, src.Height, Bicubic)
	if err != nil {
		t.Fatal(err)
	}
	got.Pix[0]++
	if got.Pix[0] == src.Pix[0] {
		t.Error("the result shares memory with the source")
	}
}

func TestResizeRefuses(t *testing.T) {
	src := NewRGB(2, 2)
	for _, size := range [][2]int{{0, 1}, {1, 0}, {-1, 1}, {maxSide + 1, 1}} {
		if _, err := src.Resize(size[0], size[1], Bilinear); err == nil {
			t.Errorf("resized to %v", size)
		}
	}
	if _, err := src.Resize(1, 1, Filter(9)); err == nil {
		t.Error("resized with filter 9")
	}
	if _, err := NewRGB(0, 3).Resize(1, 1, Bilinear); err == nil {
		t.Error("resized nothing")
	}
}

func TestDecodePNGIsPillowsConvertRGB(t *testing.T) {
	each(t, "png.", func(t *testing.T, name string, want npy.Array) {
		if n, d := differ(t, want, open(t, name+".png")); n != 0 {
			t.Errorf("%d of %d values differ, by up to %d", n, len(want.Data), d)
		}
	})
}

func TestDecodeJPEGFollowsLibjpeg(t *testing.T) {
	each(t, "jpg.", func(t *testing.T, name string, want npy.Array) {
		n, d := differ(t, want, open(t, name+".jpg"))
		share := float64(n) / float64(len(want.Data))
		t.Logf("%.2f %% of values differ, by up to %d", 100*share, d)
		if strings.HasPrefix(name, "flat") && n != 0 {
			t.Errorf("%d of %d values differ, by up to %d; the inverse DCT of flat blocks is exact", n, len(want.Data), d)
		}
		// The standard library's inverse DCT keeps more bits than libjpeg's,
		// so some samples round the other way by one, and colour conversion
		// adds at most 1.772 times one to one. Measured: ≤ 2.7 % and ≤ 3; with
		// the standard library's conversion it is 18 to 89 % and up to 49.
		if share > 0.03 || d > 3 {
			t.Errorf("%.2f %% of values differ, by up to %d; want at most 3 %%, by 3", 100*share, d)
		}
	})
}

func TestDecodeRefuses(t *testing.T) {
	png, err := os.ReadFile("testdata/rgb.png")
	if err != nil {
		t.Fatal(err)
	}
	huge := append([]byte{}, png...)
	copy(huge[16:], "\x00\x01\x00\x00\x00\x01\x00\x00") // 65536 × 65536
	tests := []struct {
		fact string
		file []byte
	}{
		{"nothing", nil},
		{"another format", []byte("GIF89a")},
		{"a cut PNG", png[:len(png)/2]},
		{"a JPEG of three bytes", []byte("\xff\xd8\xff")},
		{"a PNG that claims 4 gigapixels", huge},
	}
	for _, tt := range tests {
		t.Run(tt.fact, func(t *testing.T) {
			if _, err := Decode(tt.file); err == nil {
				t.Error("decoded")
			}
		})
	}
}

// FuzzDecode looks for files that make Decode panic.
func FuzzDecode(f *testing.F) {
	for _, pattern := range []string{"testdata/*.png", "testdata/*.jpg"} {
		files, err := filepath.Glob(pattern)
		if err != nil {
			f.Fatal(err)
		}
		for _, name := range files {
			b, err := os.ReadFile(name)
			if err != nil {
				f.Fatal(err)
			}
			f.Add(b)
		}
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		m, err := Decode(b)
		if err == nil && len(m.Pix) != 3*m.Width*m.Height {
			t.Fatalf("%d × %d pixels in %d bytes", m.Width, m.Height, len(m.Pix))
		}
	})
}

func BenchmarkResize(b *testing.B) {
	src := NewRGB(1024, 768)
	for i := range src.Pix {
		src.Pix[i] = uint8(i * 7)
	}
	for _, f := range []Filter{Bilinear, Bicubic} {
		b.Run(f.String(), func(b *testing.B) {
			for b.Loop() {
				if _, err := src.Resize(299, 224, f); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

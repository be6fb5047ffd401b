package image

import (
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"os"
	"path/filepath"
	"runtime"
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

// TestFormats reads WebP, and pictures that are turned upright. A grey JPEG's
// inverse DCT has one coefficient a block; all else is exact by construction.
func TestFormats(t *testing.T) {
	x, err := npy.ReadFile("testdata/formats.npz") // made by testdata/gen/image/formats.py
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range x {
		t.Run(e.Name, func(t *testing.T) {
			if n, d := differ(t, e.Array, open(t, e.Name)); n != 0 {
				t.Errorf("%d bytes differ, by up to %d", n, d)
			}
		})
	}
}

// TestOrientation reads what no picture tells.
func TestOrientation(t *testing.T) {
	tiff := "MM\x00*\x00\x00\x00\x08\x00\x01\x01\x12\x00\x03\x00\x00\x00\x01\x00\x06\x00\x00"
	jpeg := func(data string) []byte {
		return append([]byte("\xff\xd8\xff\xe1\x00"), append([]byte{byte(len(data) + 8)}, "Exif\x00\x00"+data...)...)
	}
	tests := []struct {
		fact string
		file []byte
		want int
	}{
		{"big endian", jpeg(tiff), 6},
		{"no tag", jpeg("II*\x00\x08\x00\x00\x00\x00\x00"), 1},
		{"an unknown number", jpeg(strings.Replace(tiff, "\x06", "\x09", 1)), 1},
		{"a directory beyond the end", jpeg(strings.Replace(tiff, "\x00\x08", "\xff\xff", 1)), 1},
		{"a segment cut off", jpeg(tiff)[:20], 1},
		{"a PNG that ends in a chunk", []byte("\x89PNG\r\n\x1a\n\x00\x00\x00\x09eXIf"), 1},
		{"a WebP that ends in a chunk", []byte("RIFF\x00\x00\x00\x00WEBPEXIF\xff\xff\xff\xff"), 1},
		{"nothing", nil, 1},
	}
	for _, tt := range tests {
		t.Run(tt.fact, func(t *testing.T) {
			if got := Orientation(tt.file); got != tt.want {
				t.Errorf("orientation is %d, want %d", got, tt.want)
			}
		})
	}
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
	copy(huge[16:], "\x00\x01\x00\x00\x00\x01\x00\x00")                       // 65536 × 65536
	bomb := crc(append([]byte{}, png...), "\x00\x00\x30\x00\x00\x00\x30\x00") // 12288 × 12288
	tests := []struct {
		fact string
		file []byte
	}{
		{"nothing", nil},
		{"another format", []byte("GIF89a")},
		{"a cut PNG", png[:len(png)/2]},
		{"a JPEG of three bytes", []byte("\xff\xd8\xff")},
		{"a PNG that claims 4 gigapixels", huge},
		{"a PNG that claims 150 megapixels in no data", bomb},
		{"a progressive JPEG that claims 115 megapixels in no data", []byte(jpegBomb)},
	}
	for _, tt := range tests {
		t.Run(tt.fact, func(t *testing.T) {
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			if _, err := Decode(tt.file); err == nil {
				t.Error("decoded")
			}
			runtime.ReadMemStats(&after)
			if took := after.TotalAlloc - before.TotalAlloc; took > 1<<20 {
				t.Errorf("%d bytes were taken for a file of %d", took, len(tt.file))
			}
		})
	}
}

// jpegBomb is the head of a progressive picture of 15616 × 7424, and one scan
// of no data.
const jpegBomb = "\xff\xd8\xff\xc2\x00\x11\x08\x3d\x00\x1d\x00\x03\x01\x22\x00\x02\x11\x01\x03\x11\x01" +
	"\xff\xc4\x00\x15\x00\x01" + "\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00" + "\x00" +
	"\xff\xda\x00\x08\x01\x01\x00\x00\x00\x00"

// crc writes a size into the head of a PNG.
func crc(png []byte, size string) []byte {
	copy(png[16:], size)
	binary.BigEndian.PutUint32(png[29:], crc32.ChecksumIEEE(png[12:29]))
	return png
}

// FuzzDecode looks for files that make Decode panic.
func FuzzDecode(f *testing.F) {
	for _, pattern := range []string{"testdata/*.png", "testdata/*.jpg", "testdata/*.webp"} {
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

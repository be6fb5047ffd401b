package npy

import (
	"archive/zip"
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func must(a Array, err error) Array {
	if err != nil {
		panic(err)
	}
	return a
}

func TestReadFileReadsNumPysArchives(t *testing.T) {
	want := Archive{
		{"relevance", must(New([]int{2, 3}, []float32{-3, -2, -1, 0, 1, 2}))},
		{"input_ids", must(New(nil, []int64{-3, -2, -1, 0}))},
	}
	for _, name := range []string{"stored.npz", "deflated.npz"} {
		t.Run(name, func(t *testing.T) {
			got, err := ReadFile(filepath.Join("testdata", name))
			if err != nil {
				t.Fatal(err)
			}
			if d := cmp.Diff(want, got); d != "" {
				t.Error(d)
			}
		})
	}
}

func TestArchiveRoundTrip(t *testing.T) {
	want := Archive{
		{"z", must(New([]int{}, []float64{1.5}))},
		{"a/b", must(New([]int{0, 2}, []int8{}))},
		{"tokens", must(NewStrings([]string{"Ġhigh", "est"}))},
	}
	path := filepath.Join(t.TempDir(), "x.npz")
	for range 2 { // the second time replaces the first
		if err := WriteFile(path, want); err != nil {
			t.Fatal(err)
		}
	}
	got, err := ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
	if d := cmp.Diff([]string{"z", "a/b", "tokens"}, got.Names()); d != "" {
		t.Error("order of names: " + d)
	}
	if _, ok := got.Get("none"); ok {
		t.Error("Get found an array that is not there")
	}
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	if info.Mode().Perm() != 0o644 {
		t.Errorf("mode is %v, want 0644", info.Mode())
	}
	left, err := filepath.Glob(filepath.Join(filepath.Dir(path), ".npy-*"))
	if err != nil || len(left) != 0 {
		t.Errorf("temporary files left behind: %v %v", left, err)
	}
}

func TestArchivesAreReproducible(t *testing.T) {
	x := Archive{{"a", must(New(nil, []float32{1, 2}))}, {"b", must(New(nil, []float32{3}))}}
	first, err := EncodeArchive(x)
	if err != nil {
		t.Fatal(err)
	}
	second, err := EncodeArchive(x)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(first, second) {
		t.Error("the same arrays made different bytes")
	}
}

// Python's zipfile, and with it NumPy, takes a name for code page 437 unless
// the member says that it is UTF-8.
func TestNamesSayThatTheyAreUTF8(t *testing.T) {
	b, err := EncodeArchive(Archive{{"R:層.1", must(New(nil, []int32{1}))}, {"R:add_1", must(New(nil, []int32{1}))}})
	if err != nil {
		t.Fatal(err)
	}
	z, err := zip.NewReader(bytes.NewReader(b), int64(len(b)))
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]uint16{}
	for _, f := range z.File {
		got[f.Name] = f.Flags
	}
	if d := cmp.Diff(map[string]uint16{"R:層.1.npy": 0x800, "R:add_1.npy": 0}, got); d != "" {
		t.Errorf("flags of members (-want +got):\n%s", d)
	}
}

func TestNpyFileIsAnArchiveOfOne(t *testing.T) {
	path := filepath.Join(t.TempDir(), "x.npy")
	a := must(New([]int{2}, []int32{4, 5}))
	if err := WriteFile(path, Archive{{"", a}}); err != nil {
		t.Fatal(err)
	}
	got, err := ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(Archive{{"", a}}, got); d != "" {
		t.Error(d)
	}
}

func TestWriteFileRefuses(t *testing.T) {
	a := must(New(nil, []int32{1}))
	tests := []struct {
		fact, file string
		x          Archive
		want       string
	}{
		{"two arrays in .npy", "x.npy", Archive{{"a", a}, {"b", a}}, "holds one array"},
		{"an unknown ending", "x.mat", Archive{{"a", a}}, "unknown ending"},
		{"a name twice", "x.npz", Archive{{"a", a}, {"a", a}}, "used twice"},
		{"data that does not fit", "x.npz", Archive{{"a", Array{DType: "f4", Shape: []int{2}}}}, "needs 8 bytes"},
	}
	for _, tt := range tests {
		t.Run(tt.fact, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), tt.file)
			err := WriteFile(path, tt.x)
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got %v, want an error with %q", err, tt.want)
			}
			if _, err := os.Stat(path); err == nil {
				t.Error("a file was left behind")
			}
		})
	}
}

func TestMemberIsBounded(t *testing.T) {
	var buf bytes.Buffer
	w := zip.NewWriter(&buf)
	f, err := w.Create("bomb.npy") // deflated: 1 MB of zeros in 1 KB
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.Write(make([]byte, 1<<20)); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	z, err := zip.NewReader(bytes.NewReader(buf.Bytes()), int64(buf.Len()))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := member(z.File[0], "bomb", 1<<20, nil); err != nil {
		t.Errorf("an entry of exactly the limit was refused: %v", err)
	}
	if _, err := member(z.File[0], "bomb", 1<<20-1, nil); err == nil {
		t.Error("an entry above the limit was read")
	}
}

// What is not wanted is not unpacked: a damaged member behind a whole header
// shows that nothing was read of it.
func TestAcceptIsAskedBeforeElementsAreRead(t *testing.T) {
	whole, err := Encode(must(New([]int{40000}, make([]int64, 40000))))
	if err != nil {
		t.Fatal(err)
	}
	var buf bytes.Buffer
	w := zip.NewWriter(&buf)
	for _, name := range []string{"cut.npy", "x.npy"} {
		f, err := w.Create(name)
		if err != nil {
			t.Fatal(err)
		}
		b := whole
		if name == "cut.npy" {
			b = whole[:len(whole)-8]
		}
		if _, err := f.Write(b); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "two.npz")
	if err := os.WriteFile(path, buf.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := ReadFile(path); err == nil {
		t.Error("a damaged member was taken")
	}
	x, err := ReadAccepted(path, func(name, _ string, shape []int) error {
		if name == "cut" {
			return ErrSkip
		}
		if d := cmp.Diff([]int{40000}, shape); d != "" {
			t.Errorf("shape (-want +got):\n%s", d)
		}
		return nil
	})
	if err != nil || len(x) != 1 || x[0].Name != "x" {
		t.Errorf("ReadAccepted gives %d arrays and %v, want x alone", len(x), err)
	}
	no := errors.New("no")
	if _, err := ReadAccepted(path, func(string, string, []int) error { return no }); !errors.Is(err, no) {
		t.Errorf("error is %v, want that of Accept", err)
	}
}

// FuzzRead looks for bytes that make the readers panic, and checks that what
// they accept is sound and survives a round trip.
func FuzzRead(f *testing.F) {
	files, err := filepath.Glob("testdata/*.np[yz]")
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
	f.Fuzz(func(t *testing.T, b []byte) {
		x, err := decodeAny(b, nil)
		if err != nil {
			return
		}
		for _, e := range x {
			if err := e.Array.Check(); err != nil {
				t.Fatalf("accepted an unsound array: %v", err)
			}
			again, err := Encode(e.Array)
			if err != nil {
				t.Fatal(err)
			}
			back, err := Decode(again)
			if err != nil {
				t.Fatal(err)
			}
			if d := cmp.Diff(e.Array, back); d != "" {
				t.Fatal(d)
			}
		}
	})
}

// A claim beyond the bound is refused before anything is unpacked.
func TestClaimIsBounded(t *testing.T) {
	var buf bytes.Buffer
	w := zip.NewWriter(&buf)
	if _, err := w.CreateRaw(&zip.FileHeader{Name: "x.npy", Method: zip.Deflate, UncompressedSize64: 1 << 40}); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	_, err := DecodeArchive(buf.Bytes())
	if err == nil || !strings.Contains(err.Error(), "unpacks to more than") {
		t.Errorf("error %v", err)
	}
}

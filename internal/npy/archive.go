package npy

import (
	"archive/zip"
	"bytes"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/lxtc/lxtc/internal/files"
)

// Entry is one named array of an archive; the name has no .npy ending.
type Entry struct {
	Name  string
	Array Array
}

// Archive is the content of a .npz file in file order.
type Archive []Entry

// Get returns the array of that name.
func (x Archive) Get(name string) (Array, bool) {
	for _, e := range x {
		if e.Name == name {
			return e.Array, true
		}
	}
	return Array{}, false
}

// Names returns the names in file order.
func (x Archive) Names() []string {
	names := make([]string, len(x))
	for i, e := range x {
		names[i] = e.Name
	}
	return names
}

// maxInflated bounds what an archive smaller than it may unpack to; a larger
// one may unpack to its own size. Honest stored archives never reach it.
const maxInflated = 2 << 30

// firstBuffer is the most that is allocated on the word of an archive.
const firstBuffer = 64 << 20

// ReadFile reads a .npz archive, or a .npy file as an archive of one array
// with an empty name. The first bytes decide which it is.
func ReadFile(path string) (Archive, error) { return ReadAccepted(path, nil) }

// An Accept says of an array of an archive, before its elements are unpacked,
// whether it is wanted: ErrSkip leaves it out, another error ends the reading. Few
// bytes can unpack to many.
type Accept func(name, dtype string, shape []int) error

// ErrSkip is what an Accept returns for an array that is not wanted.
var ErrSkip = errors.New("npy: skip this array")

// ReadAccepted is ReadFile of the arrays that accept takes; nil takes all.
func ReadAccepted(path string, accept Accept) (Archive, error) {
	b, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	x, err := decodeAny(b, accept)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return x, nil
}

func decodeAny(b []byte, accept Accept) (Archive, error) {
	if !bytes.HasPrefix(b, []byte(magic)) {
		return decodeArchive(b, accept)
	}
	a, err := Decode(b)
	if err != nil {
		return nil, err
	}
	return Archive{{Array: a}}, nil
}

// WriteFile writes an archive to a path ending in .npz, or its only array to a
// path ending in .npy. The file appears whole or not at all.
func WriteFile(path string, x Archive) error {
	var b []byte
	var err error
	switch ext := strings.ToLower(filepath.Ext(path)); {
	case ext == ".npz":
		b, err = EncodeArchive(x)
	case ext == ".npy" && len(x) == 1:
		b, err = Encode(x[0].Array)
	case ext == ".npy":
		err = fmt.Errorf("npy: a .npy file holds one array, not %d; use .npz", len(x))
	default:
		err = fmt.Errorf("npy: unknown ending %q; use .npz or .npy", ext)
	}
	if err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	return files.Replace(path, b)
}

// EncodeArchive returns the bytes of a .npz file: a zip archive of stored .npy
// files in the given order, dated 1980-01-01 as NumPy does.
func EncodeArchive(x Archive) ([]byte, error) {
	var buf bytes.Buffer
	w := zip.NewWriter(&buf)
	seen := map[string]bool{}
	for _, e := range x {
		if seen[e.Name] || e.Name == "" {
			return nil, fmt.Errorf("npy: array name %q is empty or used twice", e.Name)
		}
		seen[e.Name] = true
		b, err := Encode(e.Array)
		if err != nil {
			return nil, fmt.Errorf("array %q: %w", e.Name, err)
		}
		// CreateRaw writes size and sum up front, so that readers need no
		// trailing data descriptor.
		member, err := w.CreateRaw(&zip.FileHeader{
			Name:               e.Name + ".npy",
			Flags:              nameFlag(e.Name),
			Method:             zip.Store,
			Modified:           time.Date(1980, 1, 1, 0, 0, 0, 0, time.UTC),
			CRC32:              crc32.ChecksumIEEE(b),
			CompressedSize64:   uint64(len(b)),
			UncompressedSize64: uint64(len(b)),
		})
		if err != nil {
			return nil, fmt.Errorf("npy: %w", err)
		}
		if _, err := member.Write(b); err != nil {
			return nil, fmt.Errorf("npy: %w", err)
		}
	}
	if err := w.Close(); err != nil {
		return nil, fmt.Errorf("npy: %w", err)
	}
	return buf.Bytes(), nil
}

// DecodeArchive reads the bytes of a .npz file, stored or deflated.
func DecodeArchive(b []byte) (Archive, error) { return decodeArchive(b, nil) }

func decodeArchive(b []byte, accept Accept) (Archive, error) {
	z, err := zip.NewReader(bytes.NewReader(b), int64(len(b)))
	if err != nil {
		return nil, fmt.Errorf("npy: neither .npy nor .npz: %w", err)
	}
	x := make(Archive, 0, len(z.File))
	seen := map[string]bool{}
	left := max(maxInflated, int64(len(b)))
	for _, f := range z.File {
		name := strings.TrimSuffix(f.Name, ".npy")
		if seen[name] {
			return nil, fmt.Errorf("npy: two arrays named %q", name)
		}
		seen[name] = true
		data, err := member(f, name, left, accept)
		if errors.Is(err, ErrSkip) {
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("array %q: %w", name, err)
		}
		left -= int64(len(data))
		a, err := Decode(data)
		if err != nil {
			return nil, fmt.Errorf("array %q: %w", name, err)
		}
		x = append(x, Entry{Name: name, Array: a})
	}
	return x, nil
}

// member reads one member of the archive, at most limit bytes. The size in the
// archive is a claim: a first buffer is made for it only when it is small or
// the bytes must be there, and grows with what comes. The header is looked at
// before the rest.
func member(f *zip.File, name string, limit int64, accept Accept) ([]byte, error) {
	tooLarge := fmt.Errorf("npy: the archive unpacks to more than %d bytes", int64(maxInflated))
	if f.UncompressedSize64 > uint64(limit) {
		return nil, tooLarge
	}
	r, err := f.Open()
	if err != nil {
		return nil, fmt.Errorf("npy: %w", err)
	}
	defer r.Close()
	var buf bytes.Buffer
	if claim := f.UncompressedSize64; f.Method == zip.Store && claim == f.CompressedSize64 && claim < uint64(limit) {
		buf.Grow(int(min(claim, firstBuffer)) + bytes.MinRead)
	}
	some, err := io.Copy(&buf, io.LimitReader(r, min(maxHeader, limit)))
	if err != nil {
		return nil, fmt.Errorf("npy: %w", err)
	}
	if h, _, err := parseHeader(buf.Bytes()); err == nil && accept != nil { // else Decode tells
		if err := accept(name, h.descr, h.shape); err != nil {
			return nil, err
		}
	}
	n, err := io.Copy(&buf, io.LimitReader(r, limit+1-some))
	if err != nil {
		return nil, fmt.Errorf("npy: %w", err)
	}
	if some+n > limit {
		return nil, tooLarge
	}
	return buf.Bytes(), nil
}

// nameFlag says that a name is in UTF-8, as NumPy does for names that are not
// ASCII. Without it readers take code page 437.
func nameFlag(name string) uint16 {
	for i := range len(name) {
		if name[i] >= utf8.RuneSelf {
			return 0x800
		}
	}
	return 0
}

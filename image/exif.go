package image

import (
	"bytes"
	"encoding/binary"
)

// Orientation returns the EXIF orientation of the bytes of a picture, 1 to 8; 1,
// upright, if they do not tell.
func Orientation(b []byte) int {
	if n := orientation(exif(b)); n >= 1 && n <= 8 {
		return n
	}
	return 1
}

// exif returns the TIFF structure that holds the EXIF tags of a JPEG, PNG or
// WebP file; nil if there is none.
func exif(b []byte) []byte {
	switch {
	case bytes.HasPrefix(b, []byte("\xff\xd8")):
		for b = b[2:]; len(b) >= 4 && b[0] == 0xff && b[1] != 0xda; { // to the start of the scan
			size := 2 + int(binary.BigEndian.Uint16(b[2:]))
			if size > len(b) {
				break
			}
			if tiff, ok := bytes.CutPrefix(b[4:max(size, 4)], []byte("Exif\x00\x00")); ok && b[1] == 0xe1 {
				return tiff
			}
			b = b[size:]
		}
	case bytes.HasPrefix(b, []byte("\x89PNG")):
		return chunk(b[8:], binary.BigEndian, 0, 4, "eXIf")
	case bytes.HasPrefix(b, []byte("RIFF")) && len(b) > 12:
		tiff := chunk(b[12:], binary.LittleEndian, 4, 0, "EXIF")
		tiff, _ = bytes.CutPrefix(tiff, []byte("Exif\x00\x00"))
		return tiff
	}
	return nil
}

// chunk returns the data of the first chunk of a kind. The size stands at byte
// sizeAt of a chunk and the kind at kindAt. PNG has a checksum after the data,
// WebP fills up to an even size.
func chunk(b []byte, order binary.ByteOrder, sizeAt, kindAt int, kind string) []byte {
	for len(b) >= 8 {
		size := int64(order.Uint32(b[sizeAt:]))
		if size > int64(len(b)-8) {
			break
		}
		if string(b[kindAt:kindAt+4]) == kind {
			return b[8 : 8+size]
		}
		rest := size + size%2
		if kindAt == 4 {
			rest = size + 4
		}
		b = b[min(8+rest, int64(len(b))):]
	}
	return nil
}

// orientation reads tag 0x0112 of the first directory of a TIFF structure; 0 if
// it is not there.
func orientation(tiff []byte) int {
	if len(tiff) < 8 {
		return 0
	}
	var order binary.ByteOrder = binary.LittleEndian
	if tiff[0] == 'M' {
		order = binary.BigEndian
	}
	at := int64(order.Uint32(tiff[4:]))
	if at > int64(len(tiff)-2) {
		return 0
	}
	entries := tiff[at+2:]
	for range order.Uint16(tiff[at:]) {
		if len(entries) < 12 {
			break
		}
		if order.Uint16(entries) == 0x0112 && order.Uint16(entries[2:]) == 3 { // a short
			return int(order.Uint16(entries[8:]))
		}
		entries = entries[12:]
	}
	return 0
}

// upright returns the picture as its EXIF orientation says it is to be seen.
// From 5 on, rows are columns.
func (m *RGB) upright(orientation int) *RGB {
	if orientation <= 1 {
		return m
	}
	swap := orientation >= 5
	fromRight := orientation == 2 || orientation == 3 || orientation == 7 || orientation == 8
	fromBelow := orientation == 3 || orientation == 4 || orientation == 6 || orientation == 7
	out := NewRGB(m.Width, m.Height)
	if swap {
		out = NewRGB(m.Height, m.Width)
	}
	i := 0
	for y := range out.Height {
		for x := range out.Width {
			column, row := x, y
			if swap {
				column, row = y, x
			}
			if fromRight {
				column = m.Width - 1 - column
			}
			if fromBelow {
				row = m.Height - 1 - row
			}
			copy(out.Pix[i:i+3], m.Pix[3*(row*m.Width+column):])
			i += 3
		}
	}
	return out
}

package image

import "image"

// fromWebP converts a lossy WebP picture as libwebp does by default: chroma is
// interpolated (upsampling.c), luma runs from 16 to 235, and the conversion is
// in 14-bit fixed point (yuv.h). The image package takes every Y'CbCr for
// JPEG's, which runs from 0 to 255.
func fromWebP(m *image.YCbCr) *RGB {
	out := NewRGB(m.Rect.Dx(), m.Rect.Dy())
	u := &webpChroma{width: (out.Width + 1) / 2, height: (out.Height + 1) / 2, stride: m.CStride}
	b, r := make([]int32, out.Width), make([]int32, out.Width)
	for y := range out.Height {
		luma := m.Y[y*m.YStride:]
		u.row(b, m.Cb, y)
		u.row(r, m.Cr, y)
		for x := range out.Width {
			yuv(out.Pix[3*(y*out.Width+x):], int32(luma[x]), b[x], r[x])
		}
	}
	return out
}

// yuv writes one pixel. The factors are 1.164, 1.596, 0.391, 0.813 and 2.018.
func yuv(dst []uint8, y, u, v int32) {
	y = y * 19077 >> 8
	dst[0] = clamp8((y + v*26149>>8 - 14234) >> 6)
	dst[1] = clamp8((y - u*6419>>8 - v*13320>>8 + 8708) >> 6)
	dst[2] = clamp8((y + u*33050>>8 - 17685) >> 6)
}

// webpChroma makes full rows of a chroma plane of half the size.
type webpChroma struct{ width, height, stride int }

// row writes the chroma of picture row y: weights 9, 3, 3, 1 of 16, rounded in
// two steps as libwebp does.
func (c *webpChroma) row(out []int32, plane []uint8, y int) {
	line := func(i int) []uint8 {
		i = min(max(i, 0), c.height-1)
		return plane[i*c.stride : i*c.stride+c.width]
	}
	near, far := line(y/2), line(y/2-1+2*(y%2))
	edge := func(i int) int32 { return (3*int32(near[i]) + int32(far[i]) + 2) >> 2 }
	out[0] = edge(0)
	for i := 1; i < c.width; i++ {
		nl, nr, fl, fr := int32(near[i-1]), int32(near[i]), int32(far[i-1]), int32(far[i])
		all := nl + nr + fl + fr + 8
		// The pixels left and right of the middle between two samples.
		out[2*i-1] = ((all+2*(nr+fl))>>3 + nl) >> 1
		if 2*i < len(out) {
			out[2*i] = ((all+2*(nl+fr))>>3 + nr) >> 1
		}
	}
	if len(out)%2 == 0 {
		out[len(out)-1] = edge(c.width - 1)
	}
}

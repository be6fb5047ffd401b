package image

import "image"

// fromYCbCr converts a JPEG picture as libjpeg-turbo does by default: chroma is
// interpolated ("fancy upsampling", jdsample.c) and the colour conversion is in
// 16-bit fixed point (jdcolor.c). The standard library repeats chroma samples
// instead, which moves up to half of the values, some by dozens.
func fromYCbCr(m *image.YCbCr) *RGB {
	out := NewRGB(m.Rect.Dx(), m.Rect.Dy())
	cb := newUpsampler(m, m.Cb)
	cr := newUpsampler(m, m.Cr)
	for y := range out.Height {
		luma := m.Y[y*m.YStride:]
		b, r := cb.row(y), cr.row(y)
		dst := out.Pix[3*y*out.Width : 3*(y+1)*out.Width]
		for x := range out.Width {
			ycc(dst[3*x:3*x+3], int32(luma[x]), int32(b[x])-128, int32(r[x])-128)
		}
	}
	return out
}

// ycc writes one pixel. The factors are 1.402, 1.772, 0.71414 and 0.34414 in
// 16-bit fixed point; the rounding half of the two green terms is added once.
func ycc(dst []uint8, y, cb, cr int32) {
	const half = 1 << 15
	dst[0] = clamp8(y + (91881*cr+half)>>16)
	dst[1] = clamp8(y + (-46802*cr-22554*cb+half)>>16)
	dst[2] = clamp8(y + (116130*cb+half)>>16)
}

func clamp8(v int32) uint8 { return uint8(min(max(v, 0), 255)) }

// upsampler makes full-width rows of one chroma plane.
type upsampler struct {
	plane         []uint8
	stride        int
	width, height int // of the chroma plane
	xStep, yStep  int // luma samples for one chroma sample
	out           []uint8
	sums          []int32
}

func newUpsampler(m *image.YCbCr, plane []uint8) *upsampler {
	u := &upsampler{plane: plane, stride: m.CStride, xStep: 1, yStep: 1}
	switch m.SubsampleRatio {
	case image.YCbCrSubsampleRatio422:
		u.xStep = 2
	case image.YCbCrSubsampleRatio420:
		u.xStep, u.yStep = 2, 2
	case image.YCbCrSubsampleRatio440:
		u.yStep = 2
	case image.YCbCrSubsampleRatio411:
		u.xStep = 4
	case image.YCbCrSubsampleRatio410:
		u.xStep, u.yStep = 4, 2
	}
	u.width = (m.Rect.Dx() + u.xStep - 1) / u.xStep
	u.height = (m.Rect.Dy() + u.yStep - 1) / u.yStep
	u.out = make([]uint8, u.width*u.xStep)
	u.sums = make([]int32, u.width)
	return u
}

// row returns the chroma of picture row y. The slice is valid until the next
// call.
func (u *upsampler) row(y int) []uint8 {
	near := u.source(y / u.yStep)
	wide := u.width > 2 // libjpeg interpolates rows of three samples and more
	switch {
	case u.xStep == 1 && u.yStep == 1:
		return near
	case u.xStep == 2 && u.yStep == 1 && wide:
		u.horizontal(near)
	case u.xStep == 2 && u.yStep == 2 && wide:
		u.both(near, u.neighbour(y))
	case u.xStep == 1 && u.yStep == 2:
		u.vertical(near, u.neighbour(y), int32(1+y%2))
	default:
		for x := range u.out {
			u.out[x] = near[x/u.xStep]
		}
	}
	return u.out
}

// source returns chroma row i, or the nearest one there is.
func (u *upsampler) source(i int) []uint8 {
	i = min(max(i, 0), u.height-1)
	return u.plane[i*u.stride : i*u.stride+u.width]
}

// neighbour returns the second-nearest chroma row of picture row y when there
// are two picture rows for one of chroma.
func (u *upsampler) neighbour(y int) []uint8 {
	if y%2 == 0 {
		return u.source(y/2 - 1)
	}
	return u.source(y/2 + 1)
}

// horizontal doubles a row: each output is ¾ of the near sample and ¼ of the
// far one. The rounding alternates so that it does not add up to a bias.
func (u *upsampler) horizontal(in []uint8) {
	last := len(in) - 1
	for i, v := range in {
		near := 3 * int32(v)
		u.out[2*i] = uint8((near + int32(in[max(i-1, 0)]) + 1) >> 2)
		u.out[2*i+1] = uint8((near + int32(in[min(i+1, last)]) + 2) >> 2)
	}
	u.out[0], u.out[2*last+1] = in[0], in[last]
}

// vertical mixes two rows ¾ to ¼.
func (u *upsampler) vertical(near, far []uint8, bias int32) {
	for i := range near {
		u.out[i] = uint8((3*int32(near[i]) + int32(far[i]) + bias) >> 2)
	}
}

// both mixes ¾ to ¼ down and then across: weights 9, 3, 3, 1 of 16.
func (u *upsampler) both(near, far []uint8) {
	for i := range near {
		u.sums[i] = 3*int32(near[i]) + int32(far[i])
	}
	last := len(u.sums) - 1
	for i, v := range u.sums {
		u.out[2*i] = uint8((3*v + u.sums[max(i-1, 0)] + 8) >> 4)
		u.out[2*i+1] = uint8((3*v + u.sums[min(i+1, last)] + 7) >> 4)
	}
}

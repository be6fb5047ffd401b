package heatmap

import (
	"fmt"
	"image/color"
	"math"
)

// ink returns the colour for text on the given ground: near black or white,
// whichever contrasts more by WCAG 2 (the two are equal at luminance 0.179).
func ink(ground color.RGBA) color.RGBA {
	if luminance(ground) > 0.179 {
		return color.RGBA{R: 0x1a, G: 0x1a, B: 0x1a, A: 255}
	}
	return color.RGBA{R: 255, G: 255, B: 255, A: 255}
}

// luminance is WCAG's relative luminance, from 0 for black to 1 for white.
func luminance(c color.RGBA) float64 {
	lin := func(b uint8) float64 {
		s := float64(b) / 255
		if s <= 0.04045 {
			return s / 12.92
		}
		return math.Pow((s+0.055)/1.055, 2.4)
	}
	return 0.2126*lin(c.R) + 0.7152*lin(c.G) + 0.0722*lin(c.B)
}

// cssHex returns the colour as #rrggbb.
func cssHex(c color.RGBA) string { return fmt.Sprintf("#%02x%02x%02x", c.R, c.G, c.B) }

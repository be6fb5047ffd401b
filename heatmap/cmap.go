package heatmap

import (
	"fmt"
	"image/color"
	"math"
	"strconv"
	"strings"
)

// Map gives a colour to every relevance in [-1, 1]. The zero Map is Symmetric.
type Map struct {
	name   string
	stops  []stop
	steps  int // entries of the table At looks up; 0 interpolates
	level  float64
	halves float64 // 0.5 rounds colours to the nearest byte, 0 truncates
}

// stop is a colour at a place of the 256-entry table.
type stop struct {
	at  float64 // 0 to 255
	rgb [3]float64
}

// symmetric has equal lightness at +v and −v: CIE L* falls linearly from 100
// at zero to 40 at the ends, with OKLab hues 258° and 25°. Matplotlib's bwr
// differs by up to 21 L* between blue and red, so that negative relevance looks
// stronger than it is.
const symmetric = "015ac3,1364ce,286fd3,3879d7,4784dc,568ee1,6498e5,73a3ea," +
	"81adee,90b7f2,9fc2f5,aeccf8,bdd6fb,cde0fe,ddebff,eef5ff,ffffff," +
	"fff1f0,ffe3e1,fed6d1,fbc8c3,f8bbb5,f4aea8,efa19a,ea948d,e58780," +
	"e07a73,da6d66,d45f5a,ce514d,c74240,c03133,b91b25"

// named lists the maps with a name. All but the first two are zennit's, whose
// tables they reproduce byte for byte.
func named() []struct{ name, colors string } {
	return []struct{ name, colors string }{
		{"symmetric", symmetric},
		{"bwr-matplotlib", "00f,fff,f00"},
		{"bwr", "00f,80:fff,f00"},
		{"coldnhot", "0ff,00f,80:000,f00,ff0,fff"},
		{"france", "0055a4,80:fff,ef4135"},
		{"seismic", "0000d0,80:d0d0d0,d00000"},
		{"coolio", "00d0d0,80:d0d0d0,d000d0"},
		{"coleus", "00d000,80:d0d0d0,d000d0"},
		{"gray", "000,fff"},
		{"wred", "fff,f00"},
		{"wblue", "fff,00f"},
		{"hot", "000,f00,ff0,fff"},
		{"cold", "000,00f,0ff"},
	}
}

// Maps returns the names ParseMap knows.
func Maps() []string {
	var names []string
	for _, m := range named() {
		names = append(names, m.name)
	}
	return names
}

// Symmetric is the default map: blue for negative relevance, white for none,
// red for positive, equally light at equal magnitude.
func Symmetric() Map {
	m, err := ParseMap("symmetric")
	if err != nil {
		panic(err) // the constant above is wrong
	}
	return m
}

// ParseMap returns a map by name, or reads zennit's notation: colours as rgb or
// rrggbb with commas between them, lowest first, each at an optional place in
// hexadecimal from 00 to ff, as in "00f,80:fff,f00". The first stands at 00,
// the last at ff, and those without a place are spread evenly.
func ParseMap(spec string) (Map, error) {
	name := strings.ToLower(strings.TrimSpace(spec))
	m := Map{name: name, level: 1, steps: 255}
	colors, round := name, math.Floor // zennit puts unplaced colours at whole entries
	for _, n := range named() {
		if n.name == name {
			colors = n.colors
		}
	}
	switch name {
	case "symmetric":
		m.steps, m.halves, round = 0, 0.5, exactly
	case "bwr-matplotlib":
		m.steps, round = 256, exactly
	}
	var err error
	if m.stops, err = parseStops(colors, round); err != nil {
		return Map{}, fmt.Errorf("heatmap: colour map %q: %w; use one of %s, or colours such as 00f,80:fff,f00",
			spec, err, strings.Join(Maps(), ", "))
	}
	return m, nil
}

func exactly(at float64) float64 { return at }

// parseStops reads the colours and spreads those without a place.
func parseStops(colors string, round func(float64) float64) ([]stop, error) {
	const unplaced = -1
	var stops []stop
	for _, part := range strings.Split(colors, ",") {
		s := stop{at: unplaced}
		hex := strings.TrimSpace(part)
		if place, rest, ok := strings.Cut(hex, ":"); ok {
			at, err := strconv.ParseUint(place, 16, 8)
			if err != nil || len(place) > 2 {
				return nil, fmt.Errorf("place %q is not 00 to ff", place)
			}
			if len(place) == 1 {
				at *= 17 // 8 stands for 88, as in colours
			}
			s.at, hex = float64(at), rest
		}
		var err error
		if s.rgb, err = parseHex(hex); err != nil {
			return nil, err
		}
		stops = append(stops, s)
	}
	if len(stops) < 2 {
		return nil, fmt.Errorf("a map needs two colours or more")
	}
	if last := &stops[len(stops)-1]; last.at == unplaced {
		last.at = 255
	}
	if stops[0].at == unplaced {
		stops[0].at = 0
	}
	spread(stops, unplaced, round)
	for i := range stops[1:] {
		if stops[i].at >= stops[i+1].at {
			return nil, fmt.Errorf("places must rise")
		}
	}
	return stops, nil
}

// spread places the stops between two placed ones at even distances, each
// rounded.
func spread(stops []stop, unplaced float64, round func(float64) float64) {
	from := 0
	for to := range stops {
		if stops[to].at == unplaced {
			continue
		}
		for k := from + 1; k < to; k++ {
			stops[k].at = round(stops[from].at + (stops[to].at-stops[from].at)*float64(k-from)/float64(to-from))
		}
		from = to
	}
}

// parseHex reads rgb or rrggbb.
func parseHex(s string) (rgb [3]float64, err error) {
	v, err := strconv.ParseUint(s, 16, 24)
	if err != nil || len(s) != 3 && len(s) != 6 {
		return rgb, fmt.Errorf("%q is neither a name nor a colour", s)
	}
	digits := len(s) / 3
	for i := range rgb {
		c := v >> (4 * digits * (2 - i))
		if digits == 1 {
			rgb[i] = float64(17 * (c & 15))
			continue
		}
		rgb[i] = float64(c & 255)
	}
	return rgb, nil
}

// Name returns the name or the notation the map was made from.
func (m Map) Name() string { return m.orDefault().name }

// Level returns the map with its contrast changed: colours are reached at 1/level
// of the relevance. Level 1 changes nothing, 2 saturates at half of the scale.
func (m Map) Level(level float64) (Map, error) {
	if !finite(level) || level < 0 {
		return Map{}, fmt.Errorf("heatmap: level %v must be 0 or more", level)
	}
	m = m.orDefault()
	m.level = level
	return m, nil
}

// At returns the colour of a relevance in [-1, 1]; values beyond are cut off.
func (m Map) At(v float64) color.RGBA {
	m = m.orDefault()
	place := (math.Max(-1, math.Min(1, v)) + 1) / 2
	if m.steps == 0 {
		return m.color(255 * place)
	}
	return m.entry(int(math.Min(255, float64(m.steps)*place)))
}

// Palette returns the 256 colours from −1 to +1.
func (m Map) Palette() [256]color.RGBA {
	m = m.orDefault()
	var pal [256]color.RGBA
	for i := range pal {
		pal[i] = m.entry(i)
	}
	return pal
}

// entry returns colour i of the 256. Matplotlib places it by i·(1/255), whose
// rounding shows in some bytes.
func (m Map) entry(i int) color.RGBA {
	if m.steps == 256 {
		const step = 1.0 / 255
		return m.color(255 * float64(float64(i)*step))
	}
	return m.color(float64(i))
}

// orDefault turns the zero Map into Symmetric.
func (m Map) orDefault() Map {
	if m.stops == nil {
		return Symmetric()
	}
	return m
}

// color interpolates at a place of the table from 0 to 255.
func (m Map) color(at float64) color.RGBA {
	if m.level != 1 {
		const middle = 127.5
		at = math.Max(0, math.Min(255, middle+float64((at-middle)*m.level)))
	}
	i := 1
	for i < len(m.stops)-1 && m.stops[i].at < at {
		i++
	}
	a, b := m.stops[i-1], m.stops[i]
	t := math.Max(0, math.Min(1, (at-a.at)/(b.at-a.at)))
	mix := func(c int) uint8 {
		// Matplotlib mixes colours from 0 to 1, zennit from 0 to 255; the
		// difference shows where the sum is cut to a byte.
		if m.steps == 256 {
			return uint8(255 * (a.rgb[c]/255 + float64(t*(b.rgb[c]/255-a.rgb[c]/255))))
		}
		return uint8(a.rgb[c] + float64(t*(b.rgb[c]-a.rgb[c])) + m.halves)
	}
	return color.RGBA{R: mix(0), G: mix(1), B: mix(2), A: 255}
}

package heatmap

import (
	"bytes"
	"image/color"
	"strings"
	"testing"
)

// No control character of the text may reach a terminal.
func TestTerminalSeesOnlyOurEscapes(t *testing.T) {
	out := string(encode(t, "ansi", awkward(), Options{}))
	for _, part := range strings.Split(out, "\x1b")[1:] {
		if !strings.HasPrefix(part, "[") || strings.HasPrefix(part, "[31m") {
			t.Errorf("escape from the text: %q", part[:min(10, len(part))])
		}
	}
	if strings.ContainsAny(out, "\u202e\t\r") {
		t.Error("a control character of the text came through")
	}
}

func TestTerminalKeepsItsWidth(t *testing.T) {
	for _, width := range []int{1, 7, 24, 80} {
		out := string(encode(t, "ansi", Doc{Texts: awkward().Texts}, Options{Width: width}))
		body := out[strings.Index(out, "Target: Paris"):strings.Index(out, "Target: Rome")]
		lines := strings.Split(body, "\n")
		for _, line := range lines[1 : len(lines)-4] { // headline, and legend at the end
			if n := columns(stripEscapes(line)); n > max(width, 2) {
				t.Errorf("width %d: a line of %d: %q", width, n, stripEscapes(line))
			}
		}
	}
}

func stripEscapes(s string) string {
	var b strings.Builder
	for i, part := range strings.Split(s, "\x1b[") {
		if i > 0 {
			_, part, _ = strings.Cut(part, "m")
		}
		b.WriteString(part)
	}
	return b.String()
}

func TestTerminalWithoutColoursPrintsNumbers(t *testing.T) {
	var buf bytes.Buffer
	if err := Terminal(&buf, awkward(), Options{Colors: NoColor}); err != nil {
		t.Fatal(err)
	}
	if strings.Contains(buf.String(), "\x1b") || !strings.Contains(buf.String(), `+1.0000e+00          |#         " capital"`) {
		t.Errorf("got\n%s", buf.String())
	}
}

func TestXtermPalette(t *testing.T) {
	for want, c := range map[int]color.RGBA{
		16: {0, 0, 0, 255}, 231: {255, 255, 255, 255}, 196: {255, 0, 0, 255}, 21: {0, 0, 255, 255},
		244: {128, 128, 128, 255}, 217: {250, 180, 170, 255},
	} {
		if got := xterm(c); got != want {
			t.Errorf("%v is %d, want %d", c, got, want)
		}
	}
}

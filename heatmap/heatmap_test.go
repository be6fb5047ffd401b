package heatmap

import (
	"bytes"
	"encoding/json"
	"encoding/xml"
	"flag"
	"fmt"
	"image"
	"io"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/image/font/gofont/gomono"
)

var update = flag.Bool("update", false, "write the golden files of testdata")

// awkward is a text with everything that has broken a writer before.
func awkward() Doc {
	return Doc{
		Title: `Why <b>"5 %"</b> & not {6}?`,
		Model: "tiny_model", Rules: "attnlrp",
		Texts: []Text{
			{Target: "Paris", Tokens: []Token{
				{"<s>", 9, true},
				{"The", 0.5, false},
				{" capital", 1, false},
				{",", -0.25, false},
				{" %&", -1, false},
				{"_$#{}~^\\", 0, false},
				{"<script>alert('x')</script>", 0.1, false},
				{"\n", 0.3, false},
				{"two\nlines\r\n", -0.6, false},
				{" \x1b[31mred", 0.2, false},
				{"\u202egnp", 0.4, false},
				{" Ж中🏔é\u0301", 0.7, false},
				{"", -0.8, false},
				{"    ", 0.9, false},
				{"\ttab--", -0.1, false},
				{"\xff", 0.05, false},
			}},
			{Target: "Rome vs Paris", Tokens: []Token{{"Rome", -2, false}}},
		},
	}
}

// tiny is a picture of 4 × 2 with relevance of 2 × 2.
func tiny() Doc {
	m := image.NewRGBA(image.Rect(0, 0, 4, 2))
	for i := range m.Pix {
		m.Pix[i] = uint8(255 - 20*(i%4) - 10*(i/8))
		if i%4 == 3 {
			m.Pix[i] = 255
		}
	}
	values := []float64{1, -1, 0.25, 0}
	return Doc{Title: "Why a cat?", Model: "net", Rules: "epsilon", Images: []Image{
		{Target: "cat", Width: 2, Height: 2, Values: values, Picture: m},
		{Target: "dog", Width: 2, Height: 2, Values: values},
	}}
}

func encode(t *testing.T, format string, d Doc, o Options) []byte {
	t.Helper()
	var buf bytes.Buffer
	if err := Encode(&buf, format, d, o); err != nil {
		t.Fatal(err)
	}
	return buf.Bytes()
}

func TestGolden(t *testing.T) {
	tests := []struct {
		file, format string
		doc          Doc
		o            Options
	}{
		{"text.html", "html", awkward(), Options{}},
		{"text_skip.html", "html", awkward(), Options{SkipSpecial: true, Shared: true}},
		{"text.tex", "tex", awkward(), Options{SkipSpecial: true}},
		{"text.svg", "svg", awkward(), Options{}},
		{"text.json", "json", awkward(), Options{}},
		{"text.txt", "txt", awkward(), Options{SkipSpecial: true}},
		{"text.ansi", "ansi", awkward(), Options{Width: 24, SkipSpecial: true}},
		{"text_256.ansi", "ansi", awkward(), Options{Width: 40, Colors: Color256}},
		{"picture.html", "html", tiny(), Options{}},
		{"picture.json", "json", tiny(), Options{}},
		{"picture.ansi", "ansi", tiny(), Options{}},
		{"picture.txt", "txt", tiny(), Options{}},
	}
	for _, tt := range tests {
		t.Run(tt.file, func(t *testing.T) {
			got := encode(t, tt.format, tt.doc, tt.o)
			path := filepath.Join("testdata", tt.file)
			if *update {
				if err := os.WriteFile(path, got, 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			if d := cmp.Diff(string(want), string(got)); d != "" {
				t.Errorf("%s (-golden +now):\n%s", path, d)
			}
		})
	}
}

func TestEveryFormatIsReproducible(t *testing.T) {
	both := awkward()
	both.Images = tiny().Images
	for _, f := range Formats() {
		t.Run(f.Name, func(t *testing.T) {
			first := encode(t, f.Name, both, Options{})
			if len(first) == 0 {
				t.Fatal("nothing was written")
			}
			if !bytes.Equal(first, encode(t, f.Name, both, Options{})) {
				t.Error("the same document made different bytes")
			}
		})
	}
}

func TestSVGIsWellFormed(t *testing.T) {
	both := awkward()
	both.Images = tiny().Images
	d := xml.NewDecoder(bytes.NewReader(encode(t, "svg", both, Options{})))
	for {
		_, err := d.Token()
		if err == io.EOF {
			return
		}
		if err != nil {
			t.Fatal(err)
		}
	}
}

func TestJSONKeepsTheValues(t *testing.T) {
	var file struct {
		Texts []struct {
			Tokens []struct {
				Text      string
				Relevance float64
			}
		}
	}
	if err := json.Unmarshal(encode(t, "json", awkward(), Options{Max: 0.1}), &file); err != nil {
		t.Fatal(err)
	}
	for i, tok := range awkward().Texts[0].Tokens {
		got := file.Texts[0].Tokens[i]
		if got.Relevance != tok.Value || got.Text != strings.ToValidUTF8(tok.Text, "\uFFFD") {
			t.Errorf("token %d is %+v, want %+v", i, got, tok)
		}
	}
}

func TestPDFPages(t *testing.T) {
	long := Text{Target: "x"}
	for i := range 3000 {
		long.Tokens = append(long.Tokens, Token{Text: fmt.Sprintf(" word%d", i), Value: math.Sin(float64(i))})
	}
	tests := []struct {
		fact  string
		doc   Doc
		pages int
	}{
		{"an awkward text is one page", awkward(), 1},
		{"pictures are one page", tiny(), 1},
		// 3000 words of about 8 letters, ten on a line, 36 lines a page
		{"3000 words are nine pages", Doc{Texts: []Text{long}}, 9},
		{"one token of 200000 letters is set too", Doc{Texts: []Text{{Tokens: []Token{{Text: strings.Repeat("x", 200000)}}}}}, 64},
	}
	for _, tt := range tests {
		t.Run(tt.fact, func(t *testing.T) {
			b := encode(t, "pdf", tt.doc, Options{})
			if !bytes.HasPrefix(b, []byte("%PDF-")) || !bytes.HasSuffix(bytes.TrimSpace(b), []byte("%%EOF")) {
				t.Fatal("not a PDF")
			}
			if n := bytes.Count(b, []byte("/Type /Page\n")); n != tt.pages {
				t.Errorf("%d pages, want %d", n, tt.pages)
			}
		})
	}
}

func TestFonts(t *testing.T) {
	for _, format := range []string{"pdf", "png", "svg"} {
		t.Run(format, func(t *testing.T) {
			if len(encode(t, format, awkward(), Options{Font: gomono.TTF})) == 0 {
				t.Error("nothing was written")
			}
			err := Encode(io.Discard, format, awkward(), Options{Font: []byte("no font")})
			if err == nil || !strings.Contains(err.Error(), "font") {
				t.Errorf("got %v, want an error about the font", err)
			}
		})
	}
}

// Fonts cut short or with flipped bytes must make an error or a document, and
// never a panic.
func TestBrokenFonts(t *testing.T) {
	for i := 0; i < len(gomono.TTF); i += 9973 {
		cut := gomono.TTF[:i]
		flipped := append([]byte{}, gomono.TTF...)
		flipped[i%512] ^= 0x55
		for _, ttf := range [][]byte{cut, flipped} {
			_ = Encode(io.Discard, "pdf", tiny(), Options{Font: ttf})
		}
	}
}

func TestWrite(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "heat.HTM")
	for range 2 { // the second time replaces the first
		if err := Write(path, awkward(), Options{}); err != nil {
			t.Fatal(err)
		}
	}
	got, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, encode(t, "html", awkward(), Options{})) {
		t.Error("the file is not what Encode writes")
	}
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	if info.Mode().Perm() != 0o644 {
		t.Errorf("mode is %v, want 0644", info.Mode())
	}
	err = Write(filepath.Join(dir, "heat.bmp"), awkward(), Options{})
	if err == nil || !strings.Contains(err.Error(), "html, pdf, svg, png, tex, json, ansi, txt") {
		t.Errorf("got %v, want an error that lists the formats", err)
	}
	files, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	if len(files) != 1 {
		t.Errorf("files left behind: %v", files)
	}
}

func TestEncodeRefuses(t *testing.T) {
	text := func(v float64) Doc { return Doc{Texts: []Text{{Tokens: []Token{{"ok", 1, false}, {"bad", v, false}}}}} }
	tests := []struct {
		fact string
		doc  Doc
		o    Options
		want string
	}{
		{"nothing", Doc{}, Options{}, "nothing to draw"},
		{"no tokens", Doc{Texts: []Text{{}}}, Options{}, "has no tokens"},
		{"NaN", text(math.NaN()), Options{}, `token 1 ("bad") of text 0 has relevance NaN`},
		{"infinity", text(math.Inf(-1)), Options{}, "-Inf"},
		{"a NaN pixel", Doc{Images: []Image{{Width: 2, Height: 1, Values: []float64{0, math.NaN()}}}}, Options{}, "row 0, column 1 is NaN"},
		{"too few pixels", Doc{Images: []Image{{Width: 2, Height: 2, Values: []float64{0}}}}, Options{}, "1 values are not 2 × 2"},
		{"an empty picture", Doc{Images: []Image{{Width: 1, Height: 1, Values: []float64{0}, Picture: image.NewGray(image.Rectangle{})}}}, Options{}, "picture is empty"},
		{"a negative scale", text(0), Options{Max: -1}, "scale -1"},
		{"negative columns", text(0), Options{Columns: -1}, "negative columns"},
	}
	for _, tt := range tests {
		t.Run(tt.fact, func(t *testing.T) {
			err := Encode(io.Discard, "txt", tt.doc, tt.o)
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got %v, want an error with %q", err, tt.want)
			}
		})
	}
	if err := Encode(io.Discard, "tex", tiny(), Options{}); err == nil {
		t.Error("pictures were written as LaTeX")
	}
}

func TestNormalize(t *testing.T) {
	got, err := Normalize([]float32{1, -4, 0})
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff([]float32{0.25, -1, 0}, got); d != "" {
		t.Error(d)
	}
	zeros, err := Normalize([]float64{0, 0})
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff([]float64{0, 0}, zeros); d != "" {
		t.Error(d)
	}
	if _, err := Normalize([]float64{1, math.NaN()}); err == nil {
		t.Error("NaN was normalised")
	}
	if _, err := Normalize([]float32{float32(math.Inf(1))}); err == nil {
		t.Error("infinity was normalised")
	}
}

func TestScales(t *testing.T) {
	d := awkward()
	d.Images = tiny().Images
	tests := []struct {
		fact          string
		o             Options
		texts, images []float64
	}{
		{"each target has its own", Options{}, []float64{9, 2}, []float64{1, 1}},
		{"special tokens can stay out", Options{SkipSpecial: true}, []float64{1, 2}, []float64{1, 1}},
		{"one for all", Options{Shared: true, SkipSpecial: true}, []float64{2, 2}, []float64{2, 2}},
		{"a given one", Options{Max: 5, Shared: true}, []float64{5, 5}, []float64{5, 5}},
	}
	for _, tt := range tests {
		t.Run(tt.fact, func(t *testing.T) {
			texts, images := scales(d, tt.o)
			if d := cmp.Diff(tt.texts, texts) + cmp.Diff(tt.images, images); d != "" {
				t.Error(d)
			}
		})
	}
}

func TestPieces(t *testing.T) {
	tokens := []Token{{Text: " a\n\n  b"}, {Text: "\r\n"}, {Text: "  "}, {Text: ""}, {Text: "c"}}
	got := []string{}
	for _, p := range pieces(Text{Tokens: tokens}) {
		got = append(got, fmt.Sprintf("%d %q %q %v", p.token, p.gap, p.text, p.newline))
	}
	want := []string{
		`0 " " "a" true`, `0 "" "" true`, `0 "  " "b" false`, `1 "" "" true`,
		`2 "" "  " false`, `3 "" "·" false`, `4 "" "c" false`,
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
}

func TestTexEscapesInOnePass(t *testing.T) {
	got := texEscape(`\{}$&#%_^~`)
	want := `\textbackslash{}\{\}\$\&\#\%\_\textasciicircum{}\textasciitilde{}`
	if got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

func ExampleEncode() {
	d := Doc{
		Title: "Why Paris?",
		Texts: []Text{{Target: "Paris", Tokens: []Token{
			{Text: "The", Value: 0.1}, {Text: " capital", Value: 0.4}, {Text: " of", Value: -0.1}, {Text: " France", Value: 0.8},
		}}},
	}
	if err := Encode(os.Stdout, "txt", d, Options{}); err != nil {
		panic(err)
	}
	// Output:
	// Why Paris?
	//
	// +1.0000e-01          |#         "The"
	// +4.0000e-01          |####      " capital"
	// -1.0000e-01         #|          " of"
	// +8.0000e-01          |########  " France"
	// scale 0.8
}

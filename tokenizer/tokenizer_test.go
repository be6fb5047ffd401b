package tokenizer

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// small is a tokenizer.json with %s for further fields.
const small = `{"model":{"type":"WordLevel","vocab":{"a":0,"b":1,"?":2},"unk_token":"?"}%s}`

func load(t testing.TB, family string) *Tokenizer {
	t.Helper()
	tok, err := Load(filepath.Join("testdata", family+".json"))
	if err != nil {
		t.Fatal(err)
	}
	return tok
}

func TestEncodeByHand(t *testing.T) {
	// l-o before lo-w before e-r: "lower" is low er, "wer" is w er.
	tok, err := Decode([]byte(`{
		"added_tokens": [{"id":9,"content":"<x>","single_word":false,"lstrip":true,"rstrip":false,"normalized":false,"special":true}],
		"pre_tokenizer": {"type":"WhitespaceSplit"},
		"post_processor": {"type":"TemplateProcessing","pair":[],
			"single":[{"SpecialToken":{"id":"<x>","type_id":0}},{"Sequence":{"id":"A","type_id":0}}],
			"special_tokens":{"<x>":{"id":"<x>","ids":[9],"tokens":["<x>"]}}},
		"model": {"type":"BPE","merges":["l o","lo w","e r"],"unk_token":"?",
			"vocab":{"l":0,"o":1,"w":2,"e":3,"r":4,"lo":5,"low":6,"er":7,"?":8}}}`))
	if err != nil {
		t.Fatal(err)
	}
	got, err := tok.Encode("lower  wer <x>é", Options{})
	if err != nil {
		t.Fatal(err)
	}
	want := []Token{
		{9, "<x>", 0, 0, true},
		{6, "low", 0, 3, false},
		{7, "er", 3, 5, false},
		{2, "w", 7, 8, false},
		{7, "er", 8, 10, false},
		{9, "<x>", 10, 14, true},
		{8, "?", 14, 16, false},
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
}

func TestLoadTakesAFileOrItsFolder(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "tokenizer.json")
	if err := os.WriteFile(file, fmt.Appendf(nil, small, ""), 0o644); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{dir, file} {
		tok, err := Load(path)
		if err != nil {
			t.Fatal(err)
		}
		if id, ok := tok.ID("b"); !ok || id != 1 {
			t.Errorf("ID(b) = %d, %v", id, ok)
		}
		if s, ok := tok.Token(1); !ok || s != "b" {
			t.Errorf("Token(1) = %q, %v", s, ok)
		}
		if s, ok := tok.Token(3); ok {
			t.Errorf("Token(3) = %q, want none", s)
		}
	}
	if _, err := Load(filepath.Join(dir, "none")); err == nil || !strings.Contains(err.Error(), "none") {
		t.Errorf("error %v, want one that names the file", err)
	}
}

// Whatever could change ids and is not known is an error that names it.
func TestUnknownPiecesAreErrors(t *testing.T) {
	for name, c := range map[string]struct{ fields, want string }{
		"top-level field":         {`,"novelty":1`, `tokenizer.json: unknown field "novelty"`},
		"version":                 {`,"version":"2.0"`, `version "2.0"`},
		"normalizer":              {`,"normalizer":{"type":"Rot13"}`, `normalizer (Rot13): this normalizer is not supported`},
		"normalizer in sequence":  {`,"normalizer":{"type":"Sequence","normalizers":[{"type":"NFC"},{"type":"Rot13"}]}`, `normalizer.normalizers[1] (Rot13)`},
		"normalizer field":        {`,"normalizer":{"type":"NFC","form":"D"}`, `normalizer (NFC): unknown field "form"`},
		"missing field":           {`,"normalizer":{"type":"Strip","strip_left":true}`, `field "strip_right" is missing`},
		"field of a wrong type":   {`,"normalizer":{"type":"Prepend","prepend":1}`, `normalizer (Prepend): field "prepend"`},
		"pre-tokenizer":           {`,"pre_tokenizer":{"type":"UnicodeScripts"}`, `pre_tokenizer (UnicodeScripts): this pre-tokenizer is not supported`},
		"regular expression":      {`,"pre_tokenizer":{"type":"Split","pattern":{"Regex":"\\h"},"behavior":"Isolated","invert":false}`, `escape \h is not supported`},
		"behavior":                {`,"pre_tokenizer":{"type":"Split","pattern":{"String":"a"},"behavior":"Doubled","invert":false}`, `behavior "Doubled" is unknown`},
		"empty pattern":           {`,"normalizer":{"type":"Replace","pattern":{"String":""},"content":"x"}`, `String is empty`},
		"metaspace scheme":        {`,"pre_tokenizer":{"type":"Metaspace","replacement":"_","prepend_scheme":"last"}`, `prepend_scheme "last"`},
		"metaspace contradiction": {`,"pre_tokenizer":{"type":"Metaspace","replacement":"_","prepend_scheme":"first","add_prefix_space":false}`, `add_prefix_space is false`},
		"metaspace replacement":   {`,"pre_tokenizer":{"type":"Metaspace","replacement":"__"}`, `want one character`},
		"post-processor":          {`,"post_processor":{"type":"Reverse"}`, `post_processor (Reverse): this post-processor is not supported`},
		"special id":              {`,"post_processor":{"type":"BertProcessing","cls":["a",0],"sep":["z",77]}`, `id 77 of "z" is not in the vocabulary`},
		"template token":          {`,"post_processor":{"type":"TemplateProcessing","pair":[],"special_tokens":{},"single":[{"SpecialToken":{"id":"z"}}]}`, `token "z" is not among special_tokens`},
		"template for two":        {`,"post_processor":{"type":"TemplateProcessing","pair":[],"special_tokens":{},"single":[{"Sequence":{"id":"B"}}]}`, `sequence "B"`},
		"charsmap":                {`,"normalizer":{"type":"Precompiled","precompiled_charsmap":"AAAAgAAAAAA="}`, `precompiled_charsmap has a trie of`},
		"added token's id":        {`,"added_tokens":[{"id":7,"content":"z","single_word":false,"lstrip":false,"rstrip":false,"normalized":false,"special":true}]`, `id 7 of "z" contradicts its place in the vocabulary, 3`},
		"added token's field":     {`,"added_tokens":[{"id":3,"content":"z","single_word":false,"lstrip":false,"rstrip":false,"normalized":false,"special":true,"regex":true}]`, `added_tokens[0]: unknown field "regex"`},
		"padding":                 {`,"padding":{"strategy":"Random","direction":"Right","pad_id":0,"pad_token":"a"}`, `strategy "Random" is unknown`},
		"truncation":              {`,"truncation":{"max_length":5,"direction":"Middle"}`, `direction "Middle" is unknown`},
		"deep sequence":           {`,"normalizer":` + strings.Repeat(`{"type":"Sequence","normalizers":[`, 20) + strings.Repeat(`]}`, 20), `nested more than`},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := Decode(fmt.Appendf(nil, small, c.fields))
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("error %v, want one with %q", err, c.want)
			}
		})
	}
}

func TestModelsThatAreRefused(t *testing.T) {
	for name, c := range map[string]struct{ model, want string }{
		"type":             {`{"type":"Char","vocab":{}}`, `model (Char): this model is not supported`},
		"field":            {`{"type":"BPE","vocab":{},"merges":[],"noise":1}`, `model (BPE): unknown field "noise"`},
		"dropout":          {`{"type":"BPE","vocab":{},"merges":[],"dropout":0.1}`, `dropout 0.1`},
		"merge":            {`{"type":"BPE","vocab":{"a":0},"merges":["a b"]}`, `merge 0 of "a" and "b"`},
		"merge of three":   {`{"type":"BPE","vocab":{"a":0},"merges":["a b c"]}`, `merge "a b c" is not two pieces`},
		"negative id":      {`{"type":"WordLevel","vocab":{"a":-1},"unk_token":"a"}`, `field "vocab"`},
		"unk_id":           {`{"type":"Unigram","vocab":[["a",0]],"unk_id":1}`, `unk_id 1 is outside`},
		"score":            {`{"type":"Unigram","vocab":[["a","b"]],"unk_id":0}`, `vocab[0] is not a piece and its score`},
		"sampling":         {`{"type":"Unigram","vocab":[["a",0]],"unk_id":0,"alpha":0.1}`, `unknown field "alpha"`},
		"suffix and bytes": {`{"type":"BPE","vocab":{},"merges":[],"byte_fallback":true,"end_of_word_suffix":"_"}`, `byte_fallback with`},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := Decode([]byte(`{"model":` + c.model + `}`))
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("error %v, want one with %q", err, c.want)
			}
		})
	}
	for _, s := range []string{"", "null", "[]", "{}", `{"model":null}`, `{"model":[]}`, "\xff"} {
		if _, err := Decode([]byte(s)); err == nil {
			t.Errorf("%q loads", s)
		}
	}
}

// The type of a model may be missing, as in GPT-2's own file.
func TestModelsWithoutType(t *testing.T) {
	for kind, m := range map[string]string{
		"*tokenizer.bpe":       `{"vocab":{"a":0},"merges":[]}`,
		"*tokenizer.wordPiece": `{"vocab":{"a":0},"unk_token":"a","continuing_subword_prefix":"##","max_input_chars_per_word":100}`,
		"*tokenizer.unigram":   `{"vocab":[["a",0]],"unk_id":0}`,
		"*tokenizer.wordLevel": `{"vocab":{"a":0},"unk_token":"a"}`,
	} {
		tok, err := Decode([]byte(`{"model":` + m + `}`))
		if err != nil {
			t.Errorf("%s: %v", kind, err)
			continue
		}
		if got := fmt.Sprintf("%T", tok.model); got != kind {
			t.Errorf("%s is read as %s", kind, got)
		}
	}
}

func TestEncodeErrors(t *testing.T) {
	tok, err := Decode([]byte(`{"model":{"type":"WordLevel","vocab":{"a":0},"unk_token":"?"}}`))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := tok.Encode("b", Options{}); err == nil || !strings.Contains(err.Error(), `unknown token "?"`) {
		t.Errorf("error %v, want one about the unknown token", err)
	}
	if _, err := tok.Encode(strings.Repeat("a", maxText+1), Options{}); err == nil || !strings.Contains(err.Error(), "too long") {
		t.Errorf("error %v, want one about the length", err)
	}
	// 64 doublings of one byte would be 2^64.
	double := strings.Repeat(`{"type":"Replace","pattern":{"String":"a"},"content":"aa"},`, maxSequence)
	tok, err = Decode(fmt.Appendf(nil, small, `,"normalizer":{"type":"Sequence","normalizers":[`+strings.TrimSuffix(double, ",")+`]}`))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := tok.Encode("a", Options{}); err == nil || !strings.Contains(err.Error(), "too long") {
		t.Errorf("error %v, want one about the length", err)
	}
}

func TestBytesThatAreNotUTF8(t *testing.T) {
	tok := load(t, "gpt2")
	want, err := tok.Encode("a\uFFFDb", Options{})
	if err != nil {
		t.Fatal(err)
	}
	got, err := tok.Encode("a\xFFb", Options{})
	if err != nil {
		t.Fatal(err)
	}
	if len(got) != len(want) {
		t.Fatalf("%d tokens, want %d", len(got), len(want))
	}
	for i := range got {
		if got[i].ID != want[i].ID {
			t.Errorf("token %d is %d, want %d", i, got[i].ID, want[i].ID)
		}
	}
	if last := got[len(got)-1]; last.Start != 2 || last.End != 3 {
		t.Errorf("b is at %d to %d, want 2 to 3", last.Start, last.End)
	}
}

func TestTruncationAndPadding(t *testing.T) {
	for name, c := range map[string]struct {
		fields string
		opts   Options
		want   string
	}{
		"not asked":        {`,"truncation":{"max_length":1,"direction":"Right"},"padding":{"strategy":{"Fixed":5},"pad_id":1,"pad_token":"b"}`, Options{}, "a? b"},
		"right":            {`,"truncation":{"max_length":2,"direction":"Right"}`, Options{Truncate: true}, "a?"},
		"left":             {`,"truncation":{"max_length":1,"direction":"Left"}`, Options{Truncate: true}, "b"},
		"to nothing":       {`,"truncation":{"max_length":0,"direction":"Left"}`, Options{Truncate: true}, ""},
		"padded right":     {`,"padding":{"strategy":{"Fixed":5},"pad_id":0,"pad_token":"a"}`, Options{Pad: true}, "a? baa"},
		"padded left":      {`,"padding":{"strategy":{"Fixed":4},"direction":"Left","pad_id":0,"pad_token":"a"}`, Options{Pad: true}, "aa? b"},
		"to a multiple":    {`,"padding":{"strategy":"BatchLongest","pad_to_multiple_of":4,"pad_id":0,"pad_token":"a"}`, Options{Pad: true}, "a? ba"},
		"already a longer": {`,"padding":{"strategy":{"Fixed":2},"pad_id":0,"pad_token":"a"}`, Options{Pad: true}, "a? b"},
	} {
		t.Run(name, func(t *testing.T) {
			tok, err := Decode(fmt.Appendf(nil, small, c.fields+`,"pre_tokenizer":{"type":"FixedLength","length":1}`))
			if err != nil {
				t.Fatal(err)
			}
			tokens, err := tok.Encode("azb", c.opts)
			if err != nil {
				t.Fatal(err)
			}
			var got strings.Builder
			for _, x := range tokens {
				got.WriteString(x.Text)
			}
			if want := strings.ReplaceAll(c.want, " ", ""); got.String() != want {
				t.Errorf("%q, want %q", got.String(), want)
			}
		})
	}
}

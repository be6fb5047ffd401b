package docs_test

import (
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/lxtc/lxtc/internal/npy"
)

// TestCookbook runs every command of the page, in order, on stand-ins for the
// models that its Python parts export.
func TestCookbook(t *testing.T) {
	text, err := os.ReadFile(cookbook)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	standIns(t, dir)
	for _, b := range blocks(cookbook, string(text)) {
		if b.lang == "sh" {
			shell(t, dir, b)
		}
	}
	for _, made := range []string{"why.html", "rather.pdf", "layers.html", "faithful.svg", "similar.html", "tabby.png", "gammas.png", "llama/model.lrp.onnx", "net/net.lrp.onnx"} {
		if info, err := os.Stat(filepath.Join(dir, made)); err != nil || info.Size() == 0 {
			t.Errorf("%s: %v", made, err)
		}
	}
}

// standIns puts models with the names of the page into dir: those of testdata,
// and small ones written as text.
func standIns(t *testing.T, dir string) {
	t.Helper()
	models := filepath.Join("..", "testdata", "onnx")
	for to, from := range map[string]string{
		"llama/model.onnx": "tinylm/model.onnx", "llama/tokenizer.json": "tinylm/tokenizer.json", "llama/config.json": "tinylm/config.json",
		"mixtral/model.onnx": "tinylm/model.onnx", "mixtral/tokenizer.json": "tinylm/tokenizer.json",
		"t5/encoder_model.onnx": "t5-pair/encoder_model.onnx", "t5/decoder_model.onnx": "t5-pair/decoder_model.onnx",
		"cat.jpg": "digits-cnn/digit.png", "photos/one.png": "digits-cnn/digit.png", "prompt.txt": "tinylm/prompt.txt",
	} {
		b, err := os.ReadFile(filepath.Join(models, from))
		if err != nil {
			t.Skipf("the models of testdata are not all there: %v", err)
		}
		standIn(t, dir, to, b)
	}
	for to, text := range map[string]string{
		"t5/config.json":         `{"decoder_start_token_id": 0}`,
		"t5/tokenizer.json":      wordsOf("start", "Das", "Haus", "ist"),
		"bert/config.json":       `{"id2label": {"0": "NEGATIVE", "1": "POSITIVE"}}`,
		"bert/tokenizer.json":    wordsOf("film", "not", "bad", "all"),
		"bert/model.onnxtxt":     textModel("logits", "float[N,2]", "p = ReduceSum <keepdims = 0> (h, one)\nlogits = MatMul (p, w)", "float[3,2] w = {1, -1, 0.5, 1, -1, 2}"),
		"encoder/tokenizer.json": wordsOf("old", "are", "you", "age"),
		"encoder/model.onnxtxt":  textModel("sentence_embedding", "float[N,3]", "sentence_embedding = ReduceSum <keepdims = 0> (h, one)"),
		"clip/config.json":       `{"id2label": {"0": "a cat", "1": "a dog"}}`,
		"clip/model.onnxtxt":     pictureModel("mlp"),
		"net/config.json":        `{"id2label": {"0": "tabby", "1": "tiger"}}`,
		"net/model.onnxtxt":      pictureModel("fc"),
		"reviews.jsonl":          `{"text": "not bad", "target": "POSITIVE"}` + "\n" + `{"text": "bad film", "target": "NEGATIVE"}` + "\n",
	} {
		standIn(t, dir, to, []byte(text))
	}
	seed, err := npy.EncodeArchive(npy.Archive{{Name: "sentence_embedding", Array: npy.Array{DType: "f4", Shape: []int{1, 3}, Data: make([]byte, 12)}}})
	if err != nil {
		t.Fatal(err)
	}
	standIn(t, dir, "seed.npz", seed)
}

func standIn(t *testing.T, dir, name string, b []byte) {
	t.Helper()
	path := filepath.Join(dir, name)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, b, 0o644); err != nil {
		t.Fatal(err)
	}
}

// wordsOf is a tokenizer.json whose words are these; others are the first.
func wordsOf(words ...string) string {
	var vocab strings.Builder
	for i, w := range words {
		if i > 0 {
			io.WriteString(&vocab, ", ")
		}
		io.WriteString(&vocab, `"`+w+`": `+string(rune('0'+i)))
	}
	return `{"version": "1.0", "added_tokens": [], "pre_tokenizer": {"type": "Whitespace"},
 "model": {"type": "WordLevel", "vocab": {` + vocab.String() + `}, "unk_token": "` + words[0] + `"}}`
}

// textModel embeds four words in three numbers, as h, and goes on from there.
func textModel(output, typ, nodes string, weights ...string) string {
	return `<ir_version: 10, opset_import: ["" : 21]>
text (int64[N,T] input_ids) => (` + typ + ` ` + output + `)
<float[4,3] table = {1, 0, 2, 0, 1, 1, -1, 1, 0, 2, 2, 1}, int64[1] one = {1}` + comma(weights) + `>
{
  h = Gather (table, input_ids)
  ` + nodes + `
}`
}

func comma(weights []string) string {
	if len(weights) == 0 {
		return ""
	}
	return ", " + strings.Join(weights, ", ")
}

// pictureModel tells two classes by the mean of each colour; its last layer has
// the given name.
func pictureModel(layer string) string {
	return `<ir_version: 10, opset_import: ["" : 21]>
picture (float[N,3,224,224] pixels) => (float[N,2] logits)
<float[3,3,1,1] k = {1, 0, -1, 0, 1, 0, 1, 1, 0}, float[3,2] w = {1, -1, 0.5, 1, -1, 2}, float[2] b = {0.1, 0}>
{
  h = Conv (pixels, k)
  a = Relu (h)
  p = GlobalAveragePool (a)
  f = Flatten (p)
  [` + layer + `] logits = Gemm (f, w, b)
}`
}

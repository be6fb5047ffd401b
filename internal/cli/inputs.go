package cli

import (
	"fmt"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/lxtc/lxtc/heatmap"
	"github.com/lxtc/lxtc/image"
	"github.com/lxtc/lxtc/internal/arrays"
	"github.com/lxtc/lxtc/internal/diag"
	"github.com/lxtc/lxtc/internal/npy"
	"github.com/lxtc/lxtc/ir"
	"github.com/spf13/cobra"
)

// feed is what goes into a model, and where it came from.
type feed struct {
	tensors map[string]*ir.Tensor
	tokens  []heatmap.Token // the tokens of the text; no values yet
	ids     string          // the input that they went into
	picture *image.RGB      // what the model sees of the picture
}

// source is the flags that say where inputs come from.
type source struct {
	text    string
	decoder string
	image   string
	preset  string
	input   string
}

func (s *source) flags(c *cobra.Command) {
	f := c.Flags()
	f.StringVar(&s.text, "text", "", "text to explain: a `STRING`, @FILE, or - for standard input")
	f.StringVar(&s.decoder, "decoder-text", "", "what the decoder of a model with an encoder has written so far: a `STRING`, @FILE, or - for standard input")
	f.StringVar(&s.image, "image", "", "PNG, JPEG or WebP `FILE` to explain")
	f.StringVar(&s.preset, "preset", "", "how to prepare the picture, instead of preprocessor_config.json: clip, hf-vit, imagenet, timm")
	f.StringVar(&s.input, "input", "", "arrays named after the model's inputs (`FILE`.npz)")
	complete(c, "preset", presets()...)
}

// gather makes the inputs of a model.
func (a *app) gather(s *subject, src source) (*feed, error) {
	f := &feed{tensors: map[string]*ir.Tensor{}}
	switch {
	case src.decoder != "" && src.text == "":
		return nil, usagef("--decoder-text goes with --text, which the encoder reads")
	case src.decoder == "-" && src.text == "-":
		return nil, usagef("--text and --decoder-text both read standard input")
	case src.text == "" && src.image == "" && src.input == "":
		src.text = s.prompt
	}
	if src.input != "" {
		if err := a.fromArrays(s.IR(), src.input, f); err != nil {
			return nil, err
		}
		if err := a.accompany(s, f, src); err != nil {
			return nil, err
		}
	}
	if src.image != "" {
		if err := s.fromPicture(src, f); err != nil {
			return nil, err
		}
		if b, err := os.ReadFile(src.image); err == nil && image.Orientation(b) != 1 {
			a.warn("%s is turned upright, as its EXIF orientation %d says and transformers' load_image does it; torchvision, timm and open_clip leave pixels as they are stored", src.image, image.Orientation(b))
		}
	}
	if src.text != "" {
		text, err := a.textOf(src.text)
		if err != nil {
			return nil, err
		}
		written, err := a.textOf(src.decoder)
		if err != nil {
			return nil, err
		}
		if err := s.fromText(text, written, f); err != nil {
			return nil, err
		}
	}
	if err := s.complete(f, src); err != nil {
		return nil, err
	}
	return f, nil
}

// complete reports the inputs that are missing.
func (s *subject) complete(f *feed, src source) error {
	var missing []string
	for _, v := range s.IR().Graph.Inputs {
		if f.tensors[v.Name] == nil && v.Default == nil {
			missing = append(missing, fmt.Sprintf("%s (%s)", v.Name, v.Type))
		}
	}
	switch {
	case len(missing) == 0:
		return nil
	case src.input != "":
		return unreadable(diag.Errorf("", "the model's inputs without an array: %s", strings.Join(missing, ", ")).In(src.input))
	case src.text == "" && src.image == "":
		return usageError(diag.Errorf("", "nothing to run the model on; its inputs are %s", strings.Join(missing, ", ")).
			Help("give --text, --image or --input in.npz"))
	}
	return usageError(diag.Errorf("", "inputs that nothing was given for: %s", strings.Join(missing, ", ")).
		Help("give them with --input in.npz, as arrays of those names"))
}

// fromArrays reads an .npz file, or an .npy file for a model of one input.
func (a *app) fromArrays(m *ir.Model, file string, f *feed) error {
	inputs := m.Graph.Inputs
	archive, err := npy.ReadAccepted(file, func(name, dtype string, shape []int) error {
		i := slices.IndexFunc(inputs, func(v *ir.Value) bool { return v.Name == name })
		if i < 0 {
			a.warn("%s: array %q is no input of the model%s", file, name, diag.DidYouMean(name, names(inputs)))
			return npy.ErrSkip
		}
		return checkShape(shape, inputs[i].Type)
	})
	if err != nil {
		return unreadable(err)
	}
	for _, e := range archive {
		if len(archive) == 1 && e.Name == "" && len(inputs) == 1 { // an .npy file
			e.Name = inputs[0].Name
		}
		i := slices.IndexFunc(inputs, func(v *ir.Value) bool { return v.Name == e.Name })
		if i < 0 {
			return unreadable(fmt.Errorf("%s: an .npy file has no names, and the model has %d inputs; give them as an .npz file", file, len(inputs)))
		}
		t, err := fit(e.Array, inputs[i].Type)
		if err != nil {
			return unreadable(fmt.Errorf("%s: array %q: %w", file, e.Name, err))
		}
		if n := countNaN(t); n > 0 {
			a.warn("%s: array %q: %d of %d elements are NaN, and so is what is computed from them", file, e.Name, n, t.Len())
		}
		f.tensors[e.Name] = t
	}
	return nil
}

// maxBeside bounds the files that describe a model: of tokenizers, the largest
// known has 33 MiB.
const maxBeside = 256 << 20

// readFile reads a file that is not large. What is no file, such as a pipe that a
// hostile folder holds, could be read for ever.
func readFile(path string) ([]byte, error) {
	return readSmall(os.DirFS(filepath.Dir(path)), filepath.Base(path), path)
}

func readSmall(dir fs.FS, name, path string) ([]byte, error) {
	info, err := fs.Stat(dir, name)
	switch {
	case err != nil:
		return nil, err
	case info.Mode().Type() != 0:
		return nil, fmt.Errorf("%s is no regular file", path)
	case info.Size() > maxBeside:
		return nil, fmt.Errorf("%s has %s, more than %s", path, size(info.Size()), size(maxBeside))
	}
	return fs.ReadFile(dir, name)
}

// fit turns an array into a tensor of a value's type.
func fit(a npy.Array, want ir.Type) (*ir.Tensor, error) {
	t, err := arrays.Tensor(a)
	if err != nil {
		return nil, err
	}
	if t, err = arrays.Convert(t, want.Elem); err != nil {
		return nil, err
	}
	return t, checkShape(t.Shape, want)
}

func countNaN(t *ir.Tensor) int {
	if !t.Elem.IsFloat() {
		return 0
	}
	fs, err := t.Float64s()
	if err != nil {
		return 0
	}
	n := 0
	for _, f := range fs {
		if math.IsNaN(f) {
			n++
		}
	}
	return n
}

// checkShape reports a shape that cannot be one of the given type.
func checkShape(shape []int, want ir.Type) error {
	if want.Rank() < 0 {
		return nil
	}
	if len(shape) != want.Rank() {
		return fmt.Errorf("shape %v has %d axes, the model wants %s", shape, len(shape), want)
	}
	for i, n := range shape {
		if k, known := want.Shape[i].Num(); known && k != int64(n) {
			return fmt.Errorf("shape %v has %d at axis %d, the model wants %s", shape, n, i, want)
		}
	}
	return nil
}

func names(vs []*ir.Value) []string {
	var out []string
	for _, v := range vs {
		out = append(out, v.Name)
	}
	return out
}

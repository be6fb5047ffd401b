package cli

import (
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"

	"github.com/lxtc/lxtc/image"
	"github.com/lxtc/lxtc/internal/arrays"
	"github.com/lxtc/lxtc/internal/diag"
	"github.com/lxtc/lxtc/ir"
)

// fromPicture prepares a picture as the model was trained on it.
func (s *subject) fromPicture(src source, f *feed) error {
	v, err := s.pictureInput(f)
	if err != nil {
		return err
	}
	p, err := s.preprocess(src.preset)
	if err != nil {
		return err
	}
	if layoutOf(v.Type) == image.NHWC {
		p.Layout = image.NHWC
	}
	rgb, err := image.Open(src.image)
	if err != nil {
		return unreadable(err)
	}
	t, err := p.Apply(rgb)
	if err != nil {
		return unreadable(fmt.Errorf("%s: %w", src.image, err))
	}
	if err := checkShape(t.Shape, v.Type); err != nil {
		return unreadable(diag.Errorf("", "input %q: a picture prepared as %s has %w", v.Name, p.Name, err).
			Help("choose another --preset, or put the model's preprocessor_config.json beside it"))
	}
	tensor, err := arrays.Convert(ir.Of(t.Data, t.Shape...), v.Type.Elem)
	if err != nil {
		return err
	}
	f.tensors[v.Name], f.picture = tensor, t.Picture
	return nil
}

// pictureInput finds the input that takes pictures: the first one of floating
// point with four axes.
func (s *subject) pictureInput(f *feed) (*ir.Value, error) {
	for _, v := range s.IR().Graph.Inputs {
		if f.tensors[v.Name] == nil && v.Type.Elem.IsFloat() && v.Type.Rank() == 4 && !strings.Contains(v.Name, "past") {
			return v, nil
		}
	}
	return nil, usagef("the model has no input for a picture; its inputs are %s", strings.Join(names(s.IR().Graph.Inputs), ", "))
}

// layoutOf returns the layout of pictures of a type.
func layoutOf(t ir.Type) image.Layout {
	shape := make([]int, len(t.Shape))
	for i, d := range t.Shape {
		shape[i] = -1
		if n, known := d.Num(); known {
			shape[i] = int(n)
		}
	}
	return image.LayoutOf(shape)
}

// preprocess returns the pipeline of the named preset, or the one that a file
// beside the model describes: of transformers, open_clip or timm.
func (s *subject) preprocess(preset string) (image.Preprocess, error) {
	if preset != "" {
		if !slices.Contains(presets(), preset) {
			return image.Preprocess{}, usagef("no preset is called %q%s; there are %s", preset, diag.DidYouMean(preset, presets()), strings.Join(presets(), ", "))
		}
		return image.Preset(preset)
	}
	for _, from := range []struct {
		file string
		read func([]byte) (p image.Preprocess, ok bool, err error)
	}{
		{"preprocessor_config.json", always(image.ParseConfig)},
		{"open_clip_config.json", always(image.ParseOpenCLIP)},
		{"config.json", image.ParseTimm},
	} {
		b, err := s.read(from.file)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return image.Preprocess{}, unreadable(err)
		}
		p, ok, err := from.read(b)
		if err != nil {
			return p, unreadable(fmt.Errorf("%s: %w", from.file, err))
		}
		if ok {
			p.Name = from.file + " says"
			return p, nil
		}
	}
	return image.Preprocess{}, unreadable(diag.Errorf("", "no preprocessor_config.json beside the model or one folder up, which says how pictures are prepared").In(s.IR().File).
		Help("choose a --preset: %s", strings.Join(presets(), ", ")))
}

// always is the reader of a file that says how pictures are prepared or is
// wrong.
func always(read func([]byte) (image.Preprocess, error)) func([]byte) (image.Preprocess, bool, error) {
	return func(b []byte) (image.Preprocess, bool, error) {
		p, err := read(b)
		return p, true, err
	}
}

func presets() []string {
	var out []string
	for _, p := range image.Presets() {
		out = append(out, p.Name)
	}
	return out
}

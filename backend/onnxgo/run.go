package onnxgo

import (
	"context"
	"fmt"
	"strings"

	"github.com/lxtc/lxtc/backend"
	"github.com/lxtc/lxtc/ir"
)

// A program is the model compiled for one set of input shapes.
type program struct {
	shapes  string
	session backend.Session
}

// Run computes the model from the tensors set on its inputs, all of which must
// be set, and sets those of its outputs.
func (b *Backend) Run() error {
	if b.err != nil {
		return b.err
	}
	in, shapes, err := b.inputs()
	if err != nil {
		return err
	}
	if b.prog == nil || b.prog.shapes != shapes {
		if err := b.compile(shapes); err != nil {
			return err
		}
	}
	out, err := b.prog.session.Run(context.Background(), in)
	if err != nil {
		return fmt.Errorf("onnxgo: %w", err)
	}
	b.results = out
	for _, v := range b.values {
		t := out[v.name]
		if t == nil || !v.made {
			continue
		}
		if v.data, err = toTensor(t); err != nil {
			return fmt.Errorf("onnxgo: output %q: %w", v.name, err)
		}
	}
	return nil
}

// Result returns an output of the last Run by name, also one that Rewrite
// added; ok is false if there is none.
func (b *Backend) Result(name string) (t *ir.Tensor, ok bool) {
	t, ok = b.results[name]
	return t, ok
}

// Close releases what Run compiled.
func (b *Backend) Close() error {
	if b.prog == nil {
		return nil
	}
	p := b.prog
	b.prog = nil
	return p.session.Close()
}

// inputs returns the tensors of the inputs, and their shapes as a key.
func (b *Backend) inputs() (in map[string]*ir.Tensor, shapes string, err error) {
	in = map[string]*ir.Tensor{}
	var key strings.Builder
	for _, v := range b.named() {
		if !v.input || v.made {
			continue
		}
		if !v.given {
			return nil, "", fmt.Errorf("onnxgo: input %q is not set", v.name)
		}
		t, err := fromTensor(v.data)
		if err != nil {
			return nil, "", fmt.Errorf("onnxgo: input %q: %w", v.name, err)
		}
		in[v.name] = t
		fmt.Fprintf(&key, "%q %s\n", v.name, t.TypeOf())
	}
	return in, key.String(), nil
}

func (b *Backend) compile(shapes string) error {
	m, err := b.Model()
	if err != nil {
		return err
	}
	if b.opt.Rewrite != nil {
		if m, err = b.opt.Rewrite(m); err != nil {
			return fmt.Errorf("onnxgo: rewrite: %w", err)
		}
	}
	s, err := backend.Open(b.exec, m, b.opt.Compile)
	if err != nil {
		return fmt.Errorf("onnxgo: %w", err)
	}
	if err := b.Close(); err != nil {
		return fmt.Errorf("onnxgo: %w", err)
	}
	b.prog = &program{shapes: shapes, session: s}
	return nil
}

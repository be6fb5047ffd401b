package backend

import (
	"context"

	"github.com/lxtc/lxtc/ir"
)

// Open compiles a model and returns a session of the program: what one needs who
// shares it with nobody.
func Open(b Backend, m *ir.Model, opt Options) (Session, error) {
	p, err := b.Compile(m, opt)
	if err != nil {
		return nil, err
	}
	return p.NewSession()
}

// Run compiles a model and runs it once.
func Run(ctx context.Context, b Backend, m *ir.Model, opt Options, in map[string]*ir.Tensor) (map[string]*ir.Tensor, error) {
	s, err := Open(b, m, opt)
	if err != nil {
		return nil, err
	}
	defer s.Close()
	return s.Run(ctx, in)
}

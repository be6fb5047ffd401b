package cli

import (
	"github.com/lxtc/lxtc"
	"github.com/lxtc/lxtc/backend"
)

// A job is what explain and check have in common before they run: a model and
// its inputs, how to explain, and what runs it.
type job struct {
	model   *subject
	feed    *feed
	opt     lxtc.Options
	backend backend.Backend
}

// prepare opens the named model, or the one that lxtc carries, and reads what
// the flags say. The caller closes the model.
func (a *app) prepare(args []string, from source, r recipe, e engine) (*job, error) {
	b, err := e.open()
	if err != nil {
		return nil, err
	}
	opt, err := r.options()
	if err != nil {
		return nil, err
	}
	s, err := a.openOrDefault(args)
	if err != nil {
		return nil, err
	}
	j := &job{model: s, opt: opt, backend: b}
	if err = s.whole(); err == nil {
		j.feed, err = a.gather(s, from)
	}
	if err == nil {
		err = r.resolve(s, bind(s.IR().Graph, j.feed.tensors), &j.opt)
	}
	if err != nil {
		s.Close()
		return nil, err
	}
	return j, nil
}

package cli

import (
	"github.com/lxtc/lxtc"
	"github.com/lxtc/lxtc/backend"
)

// A job is what explain, check, grid and view have in common before they run: a
// model and its inputs, how to explain, and what runs it.
type job struct {
	model   *subject
	feed    *feed
	opt     lxtc.Options
	backend backend.Backend
}

// prepare opens the named model, or the one that lxtc carries, and reads what
// the flags say. The caller closes the model.
func (a *app) prepare(args []string, from source, r recipe, e engine) (*job, error) {
	j, err := a.begin(args, r, e)
	if err != nil {
		return nil, err
	}
	if err := a.complete(j, from, r); err != nil {
		j.model.Close()
		return nil, err
	}
	return j, nil
}

// begin opens the model and reads the flags that do not need it.
func (a *app) begin(args []string, r recipe, e engine) (*job, error) {
	j := &job{feed: &feed{}}
	var err error
	if j.backend, err = e.open(); err != nil {
		return nil, err
	}
	if j.opt, err = r.options(); err != nil {
		return nil, err
	}
	j.opt.Checkpoint = e.checkpoint
	j.model, err = a.openOrDefault(args)
	return j, err
}

// complete reads the inputs, and the flags that need the model.
func (a *app) complete(j *job, from source, r recipe) (err error) {
	if j.feed, err = a.gather(j.model, from); err != nil {
		return err
	}
	if err = j.model.withSizes(j.feed.tensors); err != nil {
		return err
	}
	j.model.choose(j.feed.tensors)
	return r.resolve(j.model, bind(j.model.IR().Graph, j.feed.tensors), &j.opt)
}

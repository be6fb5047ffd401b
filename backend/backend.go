// Package backend says what it takes to run a model.
package backend

import (
	"context"
	"slices"

	"github.com/lxtc/lxtc/ir"
)

// A Backend turns models into programs.
type Backend interface {
	// Name is what a user calls the backend: "gorgonia", "reference".
	Name() string

	// Supports returns nil if the backend runs the node's operator itself,
	// and otherwise the reason why not. Calls of functions and operators with
	// a body that it does not support are inlined by the legalize pass.
	Supports(n *ir.Node) error

	// Compile prepares a model, which must not change afterwards. The model's
	// outputs are what a run computes.
	Compile(m *ir.Model, opt Options) (Program, error)
}

// Options are how to compile and run. The zero value is a good choice.
type Options struct {
	Threads int // at most this many; 0 is as many as there are processors

	// Memory is the most bytes of intermediate values that a run may hold; one
	// that needs more fails. Zero is no limit. The reference interpreter, which
	// is for small models, has none.
	Memory int64

	// WatchNaN makes a run fail at the first node whose output holds a NaN that none
	// of its inputs holds, be they infinite as masks are, or an infinity where they
	// are all finite. A NaN that the model looks for itself counts as none: see Sought.
	WatchNaN bool

	// Progress is called now and then with the number of nodes run and their
	// total. Nil for none.
	Progress func(done, total int)

	// Trace is called after every node with its outputs, which are only valid
	// during the call. Nil for none; it costs time and memory.
	Trace func(n *ir.Node, out []*ir.Tensor) error
}

// A Program is a compiled model. It is immutable and may be shared.
type Program interface {
	NewSession() (Session, error)

	// Stats says what is known before a run.
	Stats() Stats
}

// Stats describes a program, and a session's last run.
type Stats struct {
	Nodes    int
	Segments int   // pieces that are compiled on their own
	Weights  int64 // bytes of constants, mapped or not
	Peak     int64 // bytes of intermediate values at the worst moment; 0 before the first run
}

// A Session runs a program again and again, on one goroutine at a time.
type Session interface {
	// Run computes the model's outputs, by name, from its inputs. An input that
	// has a default may be left out. Run returns ctx.Err() soon after the context
	// is done.
	Run(ctx context.Context, in map[string]*ir.Tensor) (map[string]*ir.Tensor, error)
	Stats() Stats
	Close() error
}

// Sought reports whether the model looks for NaNs in the results of n itself, as
// after a softmax over nothing but padding.
func Sought(n *ir.Node) bool {
	return slices.ContainsFunc(n.Out, func(v *ir.Value) bool {
		return v != nil && slices.ContainsFunc(v.Uses(), func(u ir.Use) bool { return u.Node.Op.String() == "IsNaN" })
	})
}

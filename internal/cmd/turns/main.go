// Command turns runs a model once for every line of its standard input, and
// answers each with the seconds that the run took:
//
//	turns [-rules NAME] [-threads N] [-o relevance.npz] MODEL INPUTS.npz
//
// With -rules a run is forward and relevance, without it forward alone. A script
// that talks to several such processes lets contenders take turns, so that a
// machine that slows down slows all of them down.
package main

import (
	"bufio"
	"context"
	"flag"
	"fmt"
	"maps"
	"os"
	"runtime/pprof"
	"slices"
	"time"

	"github.com/lxtc/lxtc"
	"github.com/lxtc/lxtc/backend"
	"github.com/lxtc/lxtc/backend/gorgonia"
	"github.com/lxtc/lxtc/backend/reference"
	"github.com/lxtc/lxtc/internal/arrays"
	"github.com/lxtc/lxtc/internal/npy"
	"github.com/lxtc/lxtc/ir"
	"github.com/lxtc/lxtc/passes"
	"github.com/lxtc/lxtc/rules"
)

type options struct {
	rules, target, out, profile string
	explicit                    bool
	threads                     int
}

func main() {
	var o options
	flag.StringVar(&o.rules, "rules", "", "explain by the rule map of this `name`; none runs forward alone")
	flag.BoolVar(&o.explicit, "explicit", false, "relevance in explicit form, not in gradient form")
	flag.StringVar(&o.target, "target", "", "the `output` to explain, such as logits[0,7]; the highest if none")
	flag.StringVar(&o.out, "o", "", "write what the last run computed to this `file`")
	flag.StringVar(&o.profile, "profile", "", "write a profile of the processor's time to this `file`")
	flag.IntVar(&o.threads, "threads", 0, "processors to use; 0 is all")
	flag.Usage = func() {
		fmt.Fprintln(flag.CommandLine.Output(), "usage: turns [flags] MODEL INPUTS.npz")
		flag.PrintDefaults()
	}
	flag.Parse()
	if flag.NArg() != 2 {
		flag.Usage()
		os.Exit(2)
	}
	if err := run(o, flag.Arg(0), flag.Arg(1)); err != nil {
		fmt.Fprintln(os.Stderr, "turns:", err)
		os.Exit(1)
	}
}

// A runner is a session, or an explainer.
type runner interface {
	Run(ctx context.Context, in map[string]*ir.Tensor) (map[string]*ir.Tensor, error)
	Close() error
}

func run(o options, model, inputs string) error {
	ctx := context.Background()
	m, err := lxtc.Load(model)
	if err != nil {
		return err
	}
	defer m.Close()
	in, err := read(inputs)
	if err != nil {
		return err
	}
	r, err := o.open(ctx, m)
	if err != nil {
		return err
	}
	defer r.Close()
	if o.profile != "" {
		f, err := os.Create(o.profile)
		if err != nil {
			return err
		}
		defer f.Close()
		if err := pprof.StartCPUProfile(f); err != nil {
			return err
		}
		defer pprof.StopCPUProfile()
	}
	var out map[string]*ir.Tensor
	lines := bufio.NewScanner(os.Stdin)
	for lines.Scan() {
		start := time.Now()
		if out, err = r.Run(ctx, in); err != nil {
			return err
		}
		fmt.Println(time.Since(start).Seconds())
	}
	if o.out != "" && out != nil {
		if err := write(o.out, out); err != nil {
			return err
		}
	}
	return lines.Err()
}

func read(file string) (map[string]*ir.Tensor, error) {
	archive, err := npy.ReadFile(file)
	if err != nil {
		return nil, err
	}
	in := map[string]*ir.Tensor{}
	for _, e := range archive {
		if in[e.Name], err = arrays.Tensor(e.Array); err != nil {
			return nil, fmt.Errorf("%s: %s: %w", file, e.Name, err)
		}
	}
	return in, nil
}

func write(file string, out map[string]*ir.Tensor) error {
	var archive npy.Archive
	for _, name := range slices.Sorted(maps.Keys(out)) {
		a, err := arrays.Array(out[name])
		if err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		archive = append(archive, npy.Entry{Name: name, Array: a})
	}
	return npy.WriteFile(file, archive)
}

// open returns what a turn runs.
func (o options) open(ctx context.Context, m *lxtc.Model) (runner, error) {
	b, how := gorgonia.New(), backend.Options{Threads: o.threads}
	if o.rules == "" {
		return forward(ctx, m, b, how)
	}
	rm, err := rules.Open(o.rules, rules.Standard())
	if err != nil {
		return nil, err
	}
	opt := lxtc.Options{Rules: rm, TargetsOnly: true}
	if o.explicit {
		opt.Form = passes.ExplicitForm
	}
	if o.target != "" {
		t, err := passes.ParseTarget(o.target)
		if err != nil {
			return nil, err
		}
		opt.Targets = []passes.Target{t}
	}
	return m.Explainer(ctx, b, opt, how)
}

// forward compiles the model as it is: of no target, all of it.
func forward(ctx context.Context, m *lxtc.Model, b backend.Backend, how backend.Options) (runner, error) {
	p := slices.DeleteFunc(passes.Forward(), func(p passes.Pass) bool { return p.Name == passes.Aim.Name || p.Name == passes.Demand.Name })
	c := m.IR().Clone()
	c.Closer = nil
	if _, err := p.Run(ctx, c, passes.Options{Supports: b.Supports, Eval: reference.Eval}, passes.Driver{}); err != nil {
		return nil, err
	}
	return backend.Open(b, c, how)
}

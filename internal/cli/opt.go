package cli

import (
	"context"
	"fmt"
	"io"
	"path/filepath"
	"strings"

	"github.com/lxtc/lxtc"
	export "github.com/lxtc/lxtc/exporter/onnx"
	"github.com/lxtc/lxtc/internal/diag"
	"github.com/lxtc/lxtc/passes"
	"github.com/spf13/cobra"
)

func (a *app) optCommand() *cobra.Command {
	var r recipe
	var names []string
	var out string
	c := &cobra.Command{
		Use:   "opt [MODEL]",
		Short: "run chosen passes: text in, text out",
		Long: `Opt runs passes over a model and prints it in ONNX text syntax, weights and
all, or writes ONNX if the name after -o ends in .onnx. Without MODEL it reads
standard input. "-p help" documents the passes.`,
		Example: `  lxtc opt -p recognize,dead model.onnxtxt
  lxtc opt -p help`,
		Args: atMostOne,
		RunE: a.run(func(ctx context.Context, args []string) error {
			if len(names) == 1 && names[0] == "help" {
				return a.listPasses()
			}
			if err := checkFolder(out); err != nil {
				return err
			}
			pipeline, err := pipelineOf(names)
			if err != nil {
				return err
			}
			opt, err := r.options()
			if err != nil {
				return err
			}
			path := "-"
			if len(args) == 1 {
				path = args[0]
			}
			s, err := a.open(path)
			if err != nil {
				return err
			}
			defer s.Close()
			if err = r.resolve(s, dims{}, &opt); err != nil {
				return err
			}
			return a.opt(ctx, s, pipeline, opt, out)
		}),
	}
	r.flags(c)
	f := c.Flags()
	f.StringSliceVarP(&names, "passes", "p", nil, "passes to run, in order: `PASS,…`, or help")
	f.StringVarP(&out, "output", "o", "", "`FILE` to write instead of standard output")
	completeWith(c, "passes", stages)
	return c
}

// opt runs the passes and prints the model. With -v it reports what they did.
func (a *app) opt(ctx context.Context, s *subject, p passes.Pipeline, opt lxtc.Options, out string) error {
	m := s.IR().Clone()
	m.Closer = nil
	rep, err := p.Run(ctx, m, opt.Passes(), passes.Driver{Strict: true})
	if rep != nil && a.verbose > 0 && !a.quiet {
		d := &paper{}
		d.passes(rep.Steps, 2)
		if _, err := io.WriteString(a.stderr, strings.TrimLeft(d.String(), "\n")); err != nil {
			return err
		}
	}
	if err != nil {
		return err
	}
	if strings.EqualFold(filepath.Ext(out), ".onnx") {
		return a.save(out, m, export.Options{Stop: ctx.Err})
	}
	text, err := textOfModel(m)
	if err != nil {
		return err
	}
	return a.writeBytes(out, text)
}

// pipelineOf looks up passes by name. One that is named twice runs twice.
func pipelineOf(names []string) (passes.Pipeline, error) {
	if len(names) == 0 {
		return nil, usageError(diag.Errorf("", "no passes given").Help("name some with -p; `lxtc opt -p help` lists them"))
	}
	var p passes.Pipeline
	seen := map[string]int{}
	for _, name := range names {
		pass, ok := passes.Default().Lookup(name)
		if !ok {
			return nil, usageError(diag.Errorf("", "no pass is called %q%s", name, diag.DidYouMean(name, stages()[1:])).
				Help("`lxtc opt -p help` lists the passes"))
		}
		if seen[name]++; seen[name] > 1 {
			pass = pass.Named(fmt.Sprintf("%s-%d", name, seen[name]))
		}
		p = append(p, pass)
	}
	if err := p.Check(); err != nil {
		return nil, usageError(err)
	}
	return p, nil
}

func (a *app) listPasses() error {
	var sb strings.Builder
	said := map[string]string{}
	for _, p := range passes.Default() {
		if same := said[p.Doc]; same != "" {
			fmt.Fprintf(&sb, "%-12s is %s at another place\n", p.Name, same)
			continue
		}
		said[p.Doc] = p.Name
		title, more, _ := strings.Cut(p.Doc, "\n\n")
		fmt.Fprintf(&sb, "%-12s %s\n", p.Name, title)
		for _, l := range wrap(more, 66) {
			fmt.Fprintf(&sb, "%-12s %s\n", "", l)
		}
		if len(p.After) > 0 {
			fmt.Fprintf(&sb, "%-12s after %s\n", "", strings.Join(p.After, ", "))
		}
	}
	_, err := io.WriteString(a.stdout, sb.String())
	return err
}

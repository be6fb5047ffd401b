package cli

import (
	"bytes"
	"context"
	"errors"
	"slices"
	"strings"

	"github.com/lxtc/lxtc/internal/diag"
	"github.com/lxtc/lxtc/ir"
	"github.com/lxtc/lxtc/passes"
	"github.com/spf13/cobra"
)

func (a *app) dumpCommand() *cobra.Command {
	var r recipe
	var after, out string
	var weights, inline bool
	c := &cobra.Command{
		Use:   "dump MODEL",
		Short: "print the model as text, after any pass",
		Long: `Dump prints a model in ONNX text syntax, as the rewriting pipeline has it after
a pass; "input" is the model as it was read. A comment says what each node was
recognised as and what made it.`,
		Example: `  lxtc dump --after recognize model.onnx
  lxtc dump --after input --weights model.onnx | lxtc opt -p fold,cse`,
		Args: oneModel,
		RunE: a.run(func(ctx context.Context, args []string) error {
			opt, err := r.options()
			if err != nil {
				return err
			}
			opt.Inline = inline
			if known := stages(); !slices.Contains(known, after) {
				return usagef("no pass is called %q%s; there are %s", after, diag.DidYouMean(after, known), strings.Join(known, ", "))
			}
			s, err := a.open(args[0])
			if err != nil {
				return err
			}
			defer s.Close()
			if err = r.resolve(s, dims{}, &opt); err != nil {
				return err
			}
			var buf bytes.Buffer
			opt.Driver.Dump = func(pass string, m *ir.Model) error {
				if pass != after {
					return nil
				}
				if weights {
					if err := printable(m); err != nil {
						return err
					}
				}
				if err := ir.Print(&buf, m, ir.PrintOptions{Weights: weights, Comments: true}); err != nil {
					return err
				}
				return errDumped
			}
			if _, err := s.Rewrite(ctx, opt); !errors.Is(err, errDumped) {
				return err
			}
			return a.writeBytes(out, buf.Bytes())
		}),
	}
	r.flags(c)
	f := c.Flags()
	f.StringVar(&after, "after", "schedule", "`PASS` after which to print: "+strings.Join(stages(), ", "))
	f.BoolVar(&weights, "weights", false, "print large constants whole, so that the text can be read back")
	f.BoolVar(&inline, "inline", false, "as for rewrite --inline")
	f.StringVarP(&out, "output", "o", "", "`FILE` to write instead of standard output")
	completeWith(c, "after", stages)
	return c
}

// errDumped stops the pipeline when the text is there.
var errDumped = errors.New("dumped")

// stages are the points of the pipeline that a model can be printed at.
func stages() []string {
	out := []string{"input"}
	for _, p := range passes.Default() {
		out = append(out, p.Name)
	}
	return out
}

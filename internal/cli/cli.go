// Package cli is the command lxtc: it reads flags and files, calls package
// lxtc, and writes results.
//
// Results go to standard output or to the file of -o; reports, warnings and
// progress go to standard error. Nothing below this package reads the
// environment.
package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/signal"
	"runtime/debug"
	"strings"
	"syscall"

	"github.com/lxtc/lxtc/internal/diag"
	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// Main runs the command and returns its exit code. Errors are printed to
// stderr, once.
func Main(args []string, stdin io.Reader, stdout, stderr io.Writer) int {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	context.AfterFunc(ctx, stop) // a second Ctrl-C ends the process at once
	return Run(ctx, args, stdin, stdout, stderr)
}

// Run is Main under a context, whose end cancels the command.
func Run(ctx context.Context, args []string, stdin io.Reader, stdout, stderr io.Writer) (code int) {
	a := &app{
		stdin: stdin, stdout: stdout, stderr: stderr, env: os.Getenv,
		memory: func() (int64, bool) { return freeMemory(os.DirFS("/")) },
	}
	return a.main(ctx, args)
}

func (a *app) main(ctx context.Context, args []string) (code int) {
	defer func() {
		if r := recover(); r != nil { // Go would exit with 2, which stands for bad usage here
			fmt.Fprintf(a.stderr, "lxtc: internal error: %v\n%s", r, debug.Stack())
			code = exitFailed
		}
	}()
	root := a.root()
	root.SetArgs(singleDash(args))
	err := root.ExecuteContext(ctx)
	if err == nil {
		return exitOK
	}
	var writing *fs.PathError
	if !a.started && !errors.As(err, &writing) { // cobra did not like the command line
		err = usageError(err)
	}
	if ctx.Err() != nil {
		err = context.Canceled
	}
	fmt.Fprintf(a.stderr, "lxtc: %s\n", message(err))
	return codeOf(err)
}

// app is what all commands share.
type app struct {
	stdin          io.Reader
	stdout, stderr io.Writer
	env            func(string) string
	memory         func() (bytes int64, known bool) // that a run may take

	quiet   bool
	verbose int
	color   string
	started bool // the command line was understood
}

func (a *app) root() *cobra.Command {
	root := &cobra.Command{
		Use:   "lxtc",
		Short: "explain ONNX models by Layer-wise Relevance Propagation",
		Long: `lxtc explains ONNX models by Layer-wise Relevance Propagation (LRP).

It rewrites a model so that it also computes how much each part of its input
contributed to an output: operations are recognised, each is bound to a rule of
a rule map (AttnLRP unless you say otherwise), and the relevance becomes nodes
of the graph. The result is a plain ONNX file, or is run here and drawn.`,
		Example: `  lxtc explain                                        # a small language model that lxtc carries
  lxtc explain MODEL --text "Paris is in" -o heat.html
  lxtc explain MODEL --image cat.jpg --target tabby -o heat.png
  lxtc rewrite MODEL -v                               # writes model.lrp.onnx and reports`,
		Args: func(c *cobra.Command, args []string) error {
			if len(args) == 0 {
				return nil
			}
			return diag.Errorf("", "no command is called %q%s", args[0], diag.DidYouMean(args[0], commandNames(c))).Help("`lxtc help` lists the commands")
		},
		RunE:          func(c *cobra.Command, _ []string) error { return c.Help() },
		SilenceUsage:  true,
		SilenceErrors: true,
	}
	root.SetFlagErrorFunc(flagError)
	root.SetIn(a.stdin)
	root.SetOut(a.stdout)
	root.SetErr(a.stderr)
	root.CompletionOptions.SetDefaultShellCompDirective(cobra.ShellCompDirectiveNoFileComp)
	f := root.PersistentFlags()
	f.BoolVarP(&a.quiet, "quiet", "q", false, "no reports, warnings or progress")
	f.CountVarP(&a.verbose, "verbose", "v", "report what was done (-vv: every operator)")
	f.StringVar(&a.color, "color", "auto", "when to use colours: auto, always or never")
	root.AddCommand(
		a.rewriteCommand(), a.explainCommand(), a.gridCommand(), a.evalCommand(), a.checkCommand(), a.viewCommand(), a.inspectCommand(), a.rulesCommand(),
		a.dumpCommand(), a.optCommand(), a.versionCommand(),
	)
	root.AddCommand(topics()...)
	root.SetHelpCommand(a.helpCommand())
	complete(root, "color", "auto", "always", "never")
	return root
}

// flagError adds to a flag that does not exist which was meant.
func flagError(c *cobra.Command, err error) error {
	var unknown *pflag.NotExistError
	if !errors.As(err, &unknown) || len(unknown.GetSpecifiedName()) == 1 {
		return err
	}
	var flags []string
	c.Flags().VisitAll(func(f *pflag.Flag) {
		if !f.Hidden {
			flags = append(flags, f.Name)
		}
	})
	if near := diag.Closest(unknown.GetSpecifiedName(), flags); near != "" {
		return fmt.Errorf("unknown flag: --%s, did you mean --%s?", unknown.GetSpecifiedName(), near)
	}
	return diag.Errorf("", "%w", err).Help("`lxtc help %s` lists the flags", c.Name())
}

// run is the RunE of a command: it marks that the command line was understood,
// and checks the flags that all commands have.
func (a *app) run(f func(ctx context.Context, args []string) error) func(*cobra.Command, []string) error {
	return func(c *cobra.Command, args []string) error {
		switch a.color {
		case "auto", "always", "never":
		default:
			return fmt.Errorf("--color is %q, want auto, always or never", a.color)
		}
		for _, name := range []string{"text", "image", "input"} { // else a script's empty variable would explain something else
			if f := c.Flags().Lookup(name); f != nil && f.Changed && f.Value.String() == "" {
				return fmt.Errorf("--%s is empty", name)
			}
		}
		if err := endless(c, args); err != nil {
			return err
		}
		a.started = true
		return f(c.Context(), args)
	}
}

// endless refuses to read from a device: /dev/zero would fill the memory.
func endless(c *cobra.Command, args []string) (err error) {
	check := func(path string) {
		path = strings.TrimPrefix(path, "@")
		if info, e := os.Stat(path); e == nil && info.Mode()&fs.ModeCharDevice != 0 && err == nil {
			err = fmt.Errorf("%s is a device, not a file", path)
		}
	}
	for _, arg := range args {
		check(arg)
	}
	c.Flags().Visit(func(f *pflag.Flag) {
		switch v := f.Value.(type) {
		case pflag.SliceValue:
			for _, s := range v.GetSlice() {
				check(s)
			}
		default:
			if f.Name != "output" {
				check(v.String())
			}
		}
	})
	return err
}

// warn prints a warning.
func (a *app) warn(format string, args ...any) {
	if !a.quiet {
		fmt.Fprintf(a.stderr, "lxtc: warning: "+format+"\n", args...)
	}
}

// note prints what a curious user wants to know.
func (a *app) note(format string, args ...any) {
	if !a.quiet && a.verbose > 0 {
		fmt.Fprintf(a.stderr, format+"\n", args...)
	}
}

// singleDash lets --after be written with one dash, as the errors of passes
// do: `lxtc dump -after PASS`.
func singleDash(args []string) []string {
	out := make([]string, len(args))
	for i, arg := range args {
		if arg == "-after" {
			arg = "--after"
		}
		out[i] = arg
	}
	return out
}

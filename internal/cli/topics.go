package cli

import (
	"context"
	"fmt"
	"strings"

	"github.com/lxtc/lxtc/internal/diag"
	"github.com/spf13/cobra"
)

// topics returns the help topics: commands that only have a text.
func topics() []*cobra.Command {
	return []*cobra.Command{
		modelTopic(),
		{
			Use: "exit-codes", Short: "what the exit status says",
			Long: "The exit status of lxtc:\n\n" + exitCodes,
		},
		{
			Use: "targets", Short: "how to say what is explained",
			Long: `A target is the output element whose value relevance distributes. Several
--target flags are summed into one relevance, or with --each explained one by one.

  (none)             the largest element of the last axis (the highest class),
                     at the last token of a language model, of the output that
                     has as many classes as config.json names, or else of
                     "logits", or else of the first floating point output
  42                 class or token 42, at the last token
  Paris, tabby       a class name of config.json (id2label), or else a token
  text:" Paris"      the token that stands for a text
  42/7/tabby         a class or token for each row of a batch
  rank2              the second largest
  top5               the five largest
  all                all classes or tokens
  tabby@5, all@:     any of these at position 5, or at every position that holds
                     a token
  -1*tabby           any of these with a weight: --target cat --target '-1*dog'
                     is why cat rather than dog

In another output than that, by its name:

  logits             the largest element of that output
  logits[tabby@5]    any of the above in it
  logits[0,-1,42]    one element; negative indices count from the end
  mask[:,1]          elements, with : for all of an axis, 3|7 for two indices,
                     0:64 for those from 0 to 63; missing axes are all
  /Gemm_output_0     a tensor inside, alone or with brackets: the scores before a
                     softmax

All but an index for each axis mean every row of a batch. A negative position
counts from the row's last token: where the model has an input attention_mask (a
decoder: decoder_attention_mask), padding behind the tokens is not counted. A
negative number of an index counts from the end of the axis.

--contrast explains the target against all others: it weighs +1, each of the
other N-1 classes -1/(N-1).
--temperature T explains softmax(output/T) instead of the output.
--seed-npz takes any relevance of outputs, as arrays.

rewrite leaves these choices to whoever runs the model, if asked to:
--weights-input makes the weights of the targets an input, target_weights, one
number for each; --seed-input OUTPUT the whole relevance of an output, R:OUTPUT.`,
		},
	}
}

// helpCommand is cobra's, but an unknown topic is an error.
func (a *app) helpCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "help [command or topic]",
		Short: "help about a command or a topic",
		ValidArgsFunction: func(c *cobra.Command, _ []string, _ string) ([]string, cobra.ShellCompDirective) {
			return commandNames(c.Root()), cobra.ShellCompDirectiveNoFileComp
		},
		RunE: func(c *cobra.Command, args []string) error {
			found, rest, err := c.Root().Find(args)
			if err != nil || len(rest) > 0 {
				name := strings.Join(args, " ")
				return fmt.Errorf("no help for %q%s", name, diag.DidYouMean(name, commandNames(c.Root())))
			}
			found.InitDefaultHelpFlag()
			return found.Help()
		},
	}
}

func commandNames(root *cobra.Command) []string {
	var names []string
	for _, c := range root.Commands() {
		if !c.Hidden {
			names = append(names, c.Name())
		}
	}
	return names
}

// complete gives a flag fixed completions.
func complete(c *cobra.Command, flag string, values ...string) {
	completeWith(c, flag, func() []string { return values })
}

// completeWith gives a flag completions that are computed when they are asked
// for.
func completeWith(c *cobra.Command, flag string, values func() []string) {
	f := func(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
		return values(), cobra.ShellCompDirectiveNoFileComp
	}
	if err := c.RegisterFlagCompletionFunc(flag, f); err != nil {
		panic(err) // the flag does not exist, or has completions already
	}
}

// completeModel completes the argument MODEL: model files and folders.
func completeModel(_ *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
	if len(args) > 0 {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	return []string{"onnx", "onnxtxt"}, cobra.ShellCompDirectiveFilterFileExt
}

// oneModel is the Args of a command with one argument MODEL.
func oneModel(_ *cobra.Command, args []string) error {
	switch len(args) {
	case 0:
		return fmt.Errorf("no MODEL given: name an .onnx file or a folder that holds one")
	case 1:
		return nil
	}
	return fmt.Errorf("one MODEL at a time, and there are %d arguments: %s", len(args), strings.Join(args, " "))
}

// atMostOne is the Args of a command with one optional argument.
func atMostOne(_ *cobra.Command, args []string) error {
	if len(args) > 1 {
		return fmt.Errorf("one argument at a time, and there are %d: %s", len(args), strings.Join(args, " "))
	}
	return nil
}

// versionCommand prints where the program comes from.
func (a *app) versionCommand() *cobra.Command {
	return &cobra.Command{
		Use: "version", Short: "print the version", Args: cobra.NoArgs,
		RunE: a.run(func(context.Context, []string) error {
			_, err := fmt.Fprintln(a.stdout, version())
			return err
		}),
	}
}

package cli

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"

	"github.com/lxtc/lxtc/attribution"
	"github.com/lxtc/lxtc/backend"
	"github.com/lxtc/lxtc/internal/diag"
	"github.com/lxtc/lxtc/passes"
	"github.com/spf13/cobra"
)

// evaluation is the flags of `lxtc eval`.
type evaluation struct {
	source
	engine
	data        string
	limit       int
	rules       []string
	methods     []string
	target      string
	explain     string
	form        string
	steps       int
	patch       int
	base        string
	probability bool
	subsets     int
	sensitivity int
	noise       float64
	randomize   bool
	stages      int
	seed        uint64
	out         string
}

func (a *app) evalCommand() *cobra.Command {
	var e evaluation
	c := &cobra.Command{
		Use:   "eval [MODEL]",
		Short: "measure how faithful explanations are",
		Long: `Eval removes tokens, or patches of pixels, and watches the target's score: the
more faithful the relevance, the sooner the score falls when the most relevant
go first, and the longer it lasts when the least relevant go first. Every rule
map is compared with gradient times input and with random relevance.

  MoRF, LeRF   mean score while the most, the least relevant go first
  gap          LeRF - MoRF: greater is better, random relevance has 0
  correlation  of the relevance of random sets and the fall of the score
  infidelity   mean square of what their relevance fails to foretell
  sparse       Gini index of |relevance|: 0 even, near 1 all in one place
  entropy      of |relevance|, in nats
  sensitivity  greatest change of relevance when the input is disturbed
               (--sensitivity)
  randomised   rank correlation of |relevance| with that of the model with
               random weights (--randomize): near 0 if it depends on the weights.
               With --stages they become random from the output down, tensor by
               tensor, and the table says how it falls (Adebayo et al. 2018)

Means over samples have 95 % confidence intervals. Samples are a text, a picture
or arrays as for explain, of which each row of a batch is one; or many (--data): a
folder of pictures, or a file of lines like {"text": "...", "target": "Paris"}.
The ending of -o says what is written: json (everything), csv (a line for each
sample and method), svg (the curves, with bands of 95 % that leave out what all
methods have in common at a sample) or html (the table, the curves and the gaps of
every sample).`,
		Example: `  lxtc eval
  lxtc eval MODEL --data prompts.jsonl -r attnlrp -r cp-lrp -o curves.svg
  lxtc eval resnet.onnx --preset imagenet --data photos --method occlusion`,
		Args: atMostOne,
		RunE: a.run(func(ctx context.Context, args []string) error { return a.eval(ctx, e, args) }),
	}
	e.source.flags(c)
	e.engine.flags(c)
	f := c.Flags()
	f.StringVar(&e.data, "data", "", "many samples: a `FOLDER` of pictures, or a FILE.jsonl of texts")
	f.IntVar(&e.limit, "limit", 0, "use at most so many samples; 0 is all")
	f.StringArrayVarP(&e.rules, "rules", "r", []string{defaultRules}, "rule map: a `NAME` that lxtc carries, or a .rules file; repeatable")
	f.StringArrayVar(&e.methods, "method", nil, "compare also with a `METHOD`: "+strings.Join(moreMethods(), ", ")+"; repeatable")
	f.StringVar(&e.target, "target", "", "what is scored: a class, a token or an element of an output (see `lxtc help targets`); default: the greatest of each sample")
	f.StringVar(&e.explain, "explain", "", "`TENSOR` whose features are removed, by its ONNX name, instead of the input or token embeddings")
	f.StringVar(&e.form, "form", "gradient", "form of the rules: gradient or explicit")
	f.IntVar(&e.steps, "steps", 20, "steps in which features are removed, if there are as many")
	f.IntVar(&e.patch, "patch", 0, "side of a patch in pixels; 0 is a sixteenth of the picture")
	f.StringVar(&e.base, "base", "zero", "what takes the place of a removed feature: zero, or the mean of the sample")
	f.BoolVar(&e.probability, "probability", false, "score the probability of the target instead of its logit")
	f.IntVar(&e.subsets, "subsets", 100, "random sets, of a fifth of the features each, for correlation and infidelity")
	f.IntVar(&e.sensitivity, "sensitivity", 0, "disturbed inputs for sensitivity; 0 leaves it out")
	f.Float64Var(&e.noise, "noise", 0.02, "how much they are disturbed: `SHARE` of the range of the sample")
	f.BoolVar(&e.randomize, "randomize", false, "compare with the model with random weights")
	f.IntVar(&e.stages, "stages", 1, "stages in which weights become random, from the output down; each holds weights of its own")
	f.Uint64Var(&e.seed, "seed", 1, "of the random numbers")
	f.StringVarP(&e.out, "output", "o", "", "`FILE` to write, .json, .csv, .svg or .html, instead of the table")
	complete(c, "method", moreMethods()...)
	complete(c, "form", "gradient", "explicit")
	complete(c, "base", "zero", "mean")
	completeWith(c, "rules", ruleMaps)
	c.ValidArgsFunction = completeModel
	return c
}

// check reports flags that make no sense.
func (e *evaluation) check() error {
	for _, m := range e.methods {
		if !slices.Contains(moreMethods(), m) {
			return usagef("no method is called %q%s; there are %s, and rule maps (-r)", m, diag.DidYouMean(m, moreMethods()), strings.Join(moreMethods(), ", "))
		}
	}
	switch {
	case e.form != "gradient" && e.form != "explicit":
		return usagef("--form is %q, want gradient or explicit", e.form)
	case e.base != "zero" && e.base != "mean":
		return usagef("--base is %q, want zero or mean", e.base)
	case e.steps < 1 || e.subsets < 2 || e.stages < 1:
		return usagef("--steps and --stages must be 1 or more, and --subsets 2 or more")
	case e.stages > 1 && !e.randomize:
		return usagef("--stages are those of --randomize: add it")
	case e.patch < 0 || e.sensitivity < 0 || e.limit < 0 || !(e.noise >= 0):
		return usagef("--patch, --sensitivity, --limit and --noise must not be negative")
	case e.data != "" && (e.text != "" || e.image != "" || e.input != ""):
		return usagef("--data has the samples: leave --text, --image and --input out")
	}
	_, err := endingOf(e.out, scoreEndings...)
	return err
}

func (a *app) eval(ctx context.Context, e evaluation, args []string) error {
	if err := e.check(); err != nil {
		return err
	}
	b, err := e.open()
	if err != nil {
		return err
	}
	maps, err := e.maps()
	if err != nil {
		return err
	}
	s, err := a.openOrDefault(args)
	if err != nil {
		return err
	}
	defer s.Close()
	samples, err := a.samples(s, e)
	if err != nil {
		return err
	}
	j := &judge{evaluation: e, subject: s, maps: maps}
	if err := j.open(ctx, b, a.running(e.threads)); err != nil {
		return err
	}
	defer j.close()
	if e.data == "" {
		if samples, err = rows(j.plain, samples[0]); err != nil {
			return err
		}
	}
	result := &scoreboard{Model: s.name, Tensor: j.plain.Tensor, Score: "logit", Base: e.base, Seed: e.seed}
	if e.probability {
		result.Score = "probability"
	}
	p := a.progress()
	defer p.end()
	for i, sample := range samples {
		p.count(i, len(samples), "samples")
		rows, err := j.sample(ctx, sample)
		if err != nil {
			return fmt.Errorf("%s: %w", sample.name, err)
		}
		result.Rows = append(result.Rows, rows...)
	}
	result.Features = j.features
	p.end()
	result.warn(a)
	return a.printScores(result, e.out)
}

// maps returns the rule maps as methods. gradient-input is among them, as
// random relevance is among the others: what does not beat them explains
// nothing.
func (e *evaluation) maps() ([]attribution.Method, error) {
	form := passes.GradientForm
	if e.form == "explicit" {
		form = passes.ExplicitForm
	}
	var out []attribution.Method
	for _, name := range e.rules {
		m, err := loadRules(name)
		if err != nil {
			return nil, err
		}
		if slices.ContainsFunc(out, func(o attribution.Method) bool { return o.Name == m.Name }) {
			return nil, usagef("-r %s: there are two rule maps of the name %s", name, m.Name)
		}
		out = append(out, attribution.Rules(m, form))
	}
	g, err := attribution.GradientInput()
	if err == nil && !slices.Contains(e.rules, g.Name) {
		out = append(out, g)
	}
	return out, err
}

// A judge scores the explanations of samples.
type judge struct {
	evaluation
	subject  *subject
	maps     []attribution.Method
	plain    *attribution.Lens
	random   []*attribution.Lens // with ever more random weights
	features string              // what is removed, by name
}

// open looks at the model, and at the one with random weights.
func (j *judge) open(ctx context.Context, b backend.Backend, run backend.Options) error {
	opt := attribution.Options{Tensor: j.explain, Probability: j.probability, Run: run}
	if j.target != "" {
		ts, err := j.subject.aims([]string{j.target}, dims{})
		if err != nil {
			return err
		}
		if len(ts) != 1 {
			return usagef("--target %s: one element is scored", j.target)
		}
		opt.Target = ts[0]
	}
	var err error
	if j.plain, err = attribution.NewLens(ctx, j.subject.Model, b, opt); err != nil || !j.randomize {
		return err
	}
	for k := range j.stages {
		if err := j.addRandom(ctx, b, opt, float64(k+1)/float64(j.stages)); err != nil {
			j.close()
			return err
		}
	}
	return nil
}

// addRandom looks at the model with a share of its weights random. Those of a
// smaller share are the same: every stage draws them first.
func (j *judge) addRandom(ctx context.Context, b backend.Backend, opt attribution.Options, share float64) error {
	m, err := attribution.Randomize(j.subject.Model, share, rand.New(rand.NewPCG(j.seed, 1)))
	if err != nil {
		return err
	}
	l, err := attribution.NewLens(ctx, m, b, opt)
	if err == nil {
		j.random = append(j.random, l)
	}
	return err
}

func (j *judge) close() {
	j.plain.Close()
	for _, l := range j.random {
		l.Close()
	}
}

package cli

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/lxtc/lxtc"
	export "github.com/lxtc/lxtc/exporter/onnx"
	"github.com/lxtc/lxtc/importer/onnx"
	"github.com/lxtc/lxtc/internal/diag"
	"github.com/lxtc/lxtc/ir"
	"github.com/lxtc/lxtc/passes"
	"github.com/spf13/cobra"
)

// rewriting is the flags of `lxtc rewrite`.
type rewriting struct {
	recipe
	out         string
	inline      bool
	dry         bool
	json        bool
	strict      bool
	copyWeights bool
	seedInputs  []string
	maskInputs  []string
	weights     bool
	sizes       map[string]int64
}

func (a *app) rewriteCommand() *cobra.Command {
	var r rewriting
	c := &cobra.Command{
		Use:   "rewrite MODEL",
		Short: "write a model that also computes relevance",
		Long: `Rewrite writes a plain ONNX model that computes, besides its outputs, the
relevance of its inputs or token embeddings, under "R:" and the tensor's name,
and its sum over each token's features or each pixel's channels, under "R.sum:"
and the name. The file's metadata say how: lxtc.version, lxtc.rules, lxtc.form,
lxtc.targets and lxtc.explained.

What is explained, and which heads or channels relevance passes, can be left to
whoever runs the model: --weights-input, --seed-input and --mask-input add inputs.

With -v it reports which operation was replaced by what, and with -vv every
operator and why a pattern did not match. -n reports without writing.`,
		Example: `  lxtc rewrite model.onnx -v
  lxtc rewrite model.onnx -r cp-lrp --form explicit --explain /h.3/Add_output_0 -o cp.onnx
  lxtc rewrite vit.onnx --target top5 --weights-input --mask-input '*/attention/MatMul_1_output_0'
  lxtc rewrite model.onnx -n --json | jq '.operators[] | select(.live and .rule == null)'`,
		Args: oneModel,
		RunE: a.run(func(ctx context.Context, args []string) error { return a.rewrite(ctx, r, args[0]) }),
	}
	r.recipe.flags(c)
	f := c.Flags()
	f.StringVarP(&r.out, "output", "o", "", "`FILE` to write: .onnx or .onnxtxt; - is standard output (default MODEL.lrp.onnx beside the model)")
	f.BoolVar(&r.inline, "inline", false, "plain ai.onnx operators instead of functions in domain lxt")
	f.BoolVarP(&r.dry, "dry-run", "n", false, "write nothing, only report")
	f.BoolVar(&r.json, "json", false, "report as JSON on standard output")
	f.BoolVar(&r.strict, "strict", false, "fail if an operator on the way has no rule, even with --allow-missing")
	f.BoolVar(&r.copyWeights, "copy-weights", false, "write all weights anew instead of referring to the original's files")
	f.StringToInt64Var(&r.sizes, "size", nil, "numbers for dimensions of the inputs, `NAME=N`, for what goes step by step, such as an LSTM; repeatable")
	f.Lookup("size").DefValue = "" // else help prints the empty map
	f.StringArrayVar(&r.seedInputs, "seed-input", nil, "make the relevance of `OUTPUT` an input of the model, called R:OUTPUT; repeatable")
	f.StringArrayVar(&r.maskInputs, "mask-input", nil, "make what relevance at `TENSOR` is multiplied by an input of the model, called mask:TENSOR and 1 if it is left out; * matches anything; repeatable")
	f.BoolVar(&r.weights, "weights-input", false, "make the weights of the targets an input of the model, called "+passes.WeightsInput+": one number for each")
	return c
}

func (a *app) rewrite(ctx context.Context, r rewriting, path string) error {
	opt, err := r.recipe.options()
	if err != nil {
		return err
	}
	opt.Inline, opt.Sums, opt.Weights = r.inline, true, r.weights
	for _, name := range r.maskInputs {
		opt.Through = append(opt.Through, passes.Condition{Tensor: name, Input: true})
	}
	s, err := a.open(path, onnx.Sizes(r.sizes))
	if err != nil {
		return a.reportUnsupported(r.json, err)
	}
	defer s.Close()
	if err := s.whole(); err != nil {
		return err
	}
	if before := readPedigree(s.IR()); before != (pedigree{}) {
		a.warn("the model computes relevance already, %s; new outputs have other names", before)
	}
	out, err := s.outputPath(r)
	if err != nil {
		return err
	}
	if err = r.resolve(s, dims{}, &opt); err != nil {
		return err
	}
	if len(r.seedInputs) == 0 {
		a.warnOfSoftmax(s, r.recipe)
	}
	for _, name := range r.seedInputs {
		opt.Targets = append(opt.Targets, passes.Target{Output: name, Seed: true})
	}
	w, err := s.Rewrite(ctx, opt)
	if w != nil && w.Report != nil && (err == nil || len(w.Report.Operators) > 0) {
		if reportErr := a.reportRewrite(r, w.Report); reportErr != nil {
			return reportErr
		}
	}
	if err != nil {
		return err
	}
	if missing := w.Report.Unruled(); r.strict && len(missing) > 0 {
		return coded{exitUnsupported, fmt.Errorf("%d operators on the way have no rule, and --strict is set", len(missing))}
	}
	if r.dry {
		return nil
	}
	pedigreeOf(w).write(w.Model)
	if err := a.save(out, w.Model, export.Options{CopyWeights: r.copyWeights, Stop: ctx.Err}); err != nil {
		return err
	}
	if out != "-" && !a.quiet {
		fmt.Fprintf(a.stderr, "%s: %s\n", out, summary(w))
	}
	return nil
}

// reportRewrite reports on standard output if that is what was asked for, and
// otherwise beside it.
func (a *app) reportRewrite(r rewriting, rep *passes.Report) error {
	switch {
	case r.json:
		return writeJSON(a.stdout, rep)
	case r.dry:
		a.warnings(rep)
		return a.report(a.stdout, rep, max(a.verbose, 1))
	}
	a.afterRewrite(rep)
	return nil
}

// afterRewrite prints the warnings and, with -v, the report to standard error.
func (a *app) afterRewrite(rep *passes.Report) {
	if rep == nil {
		return
	}
	if a.verbose > 0 && !a.quiet {
		_ = a.report(a.stderr, rep, a.verbose) // nothing can be said where nothing can be written
	}
	a.warnings(rep)
}

// warnings prints what the user should know, whatever the verbosity.
func (a *app) warnings(rep *passes.Report) {
	for _, w := range rep.Warnings {
		a.warn("%s", w)
	}
}

// outputPath is the file to write, which must not be one that the model is
// read from.
func (s *subject) outputPath(r rewriting) (string, error) {
	out := r.out
	switch {
	case out == "-" && r.json && !r.dry:
		return "", usagef("--json and -o - both write to standard output")
	case r.dry || out == "-":
		return out, nil
	case out == "" && s.file == "":
		return "", usagef("the model has no file that the output could be named after: give -o")
	case out == "" && s.first != "":
		out = filepath.Join(filepath.Dir(s.file), "model.lrp.onnx")
	case out == "":
		out = strings.TrimSuffix(s.file, filepath.Ext(s.file)) + ".lrp.onnx"
	}
	ext := strings.ToLower(filepath.Ext(out))
	if ext != ".onnx" && ext != ".onnxtxt" {
		return "", usagef("-o %s: want a name that ends in .onnx or .onnxtxt", out)
	}
	if err := checkFolder(out); err != nil {
		return "", err
	}
	for _, written := range []string{out, out + "_data"} {
		if in := s.readsFrom(written); in != "" {
			return "", usageError(diag.Errorf("", "%s would overwrite %s, which the model is read from", written, in).Help("give another name with -o"))
		}
	}
	return out, nil
}

// readsFrom returns the file of the model that path is, or "".
func (s *subject) readsFrom(path string) string {
	info, err := os.Stat(path)
	if err != nil {
		return "" // it does not exist yet
	}
	files := []string{s.first, s.file}
	for _, v := range s.IR().Graph.Consts {
		if v.Data.From != nil && v.Data.From.Path != files[len(files)-1] {
			files = append(files, v.Data.From.Path)
		}
	}
	for _, f := range files {
		if other, err := os.Stat(f); err == nil && os.SameFile(info, other) {
			return f
		}
	}
	return ""
}

// save writes the model; an ending of .onnxtxt asks for text.
func (a *app) save(out string, m *ir.Model, opt export.Options) error {
	switch {
	case out == "-":
		return export.Write(a.stdout, m)
	case strings.EqualFold(filepath.Ext(out), ".onnxtxt"):
		text, err := textOfModel(m)
		if err != nil {
			return err
		}
		return a.writeBytes(out, text)
	}
	return export.Save(out, m, opt)
}

// summary is one line about what a rewriting did.
func summary(w *lxtc.Rewritten) string {
	live, ruled := 0, 0
	for _, o := range w.Report.Operators {
		if o.Live {
			live++
		}
		if o.Rule != "" {
			ruled++
		}
	}
	var rs []string
	for _, v := range w.Model.Graph.Outputs {
		if strings.HasPrefix(v.Name, "R:") {
			rs = append(rs, v.Name)
		}
	}
	return fmt.Sprintf("%s by %s, %s form; %d of %d operators on the way have a rule", strings.Join(rs, ", "), w.Report.Rules, w.Report.Form, ruled, live)
}

func writeJSON(w interface{ Write([]byte) (int, error) }, v any) error {
	e := json.NewEncoder(w)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	return e.Encode(v)
}

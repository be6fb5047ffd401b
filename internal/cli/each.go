package cli

import (
	"context"

	"github.com/lxtc/lxtc"
	"github.com/lxtc/lxtc/heatmap"
	"github.com/lxtc/lxtc/internal/npy"
	"github.com/lxtc/lxtc/ir"
	"github.com/lxtc/lxtc/passes"
)

// explainEach explains every target by itself and draws them one after the other, in
// one title.
func (a *app) explainEach(ctx context.Context, j *job, e explanation, format string, look heatmap.Options) error {
	if e.seeds != "" || e.method != "" {
		return usagef("--each explains targets by rules, one by one: leave --seed-npz and --method out")
	}
	opt := j.opt
	opt.Targets = j.model.separate(targetsOf(opt), j.feed)
	opt.TargetsOnly = format != "npz"
	p := a.progress()
	defer p.end()
	x, err := j.model.Each(ctx, j.backend, opt, a.running(e.threads))
	if x != nil && x.Rewritten != nil {
		a.afterRewrite(x.Report)
	}
	if err != nil {
		return err
	}
	defer x.Close()
	if err := a.checkMemory(x.Model.Graph, j.feed.tensors); err != nil {
		return err
	}
	var archive npy.Archive
	d := heatmap.Doc{Title: "Why each of these?"}
	err = x.Run(ctx, j.feed.tensors, func(k int, out map[string]*ir.Tensor) error {
		p.count(k, len(opt.Targets), "targets")
		if err := a.warnOfOverflow(x.Rewritten, out); err != nil {
			return err
		}
		if format == "npz" {
			return addArrays(&archive, x.Rewritten, opt.Targets[k], out)
		}
		one := opt
		one.Targets = opt.Targets[k : k+1]
		q, err := j.model.drawing(x.Rewritten, one, j.feed, out)
		d.Model, d.Rules = q.Model, q.Rules
		d.Texts, d.Images = append(d.Texts, q.Texts...), append(d.Images, q.Images...)
		return err
	})
	p.end()
	if err != nil {
		return err
	}
	if format == "npz" {
		b, err := npy.EncodeArchive(archive)
		if err != nil {
			return err
		}
		return a.writeBytes(e.out, b)
	}
	return a.draw(d, look, e.out, format)
}

// addArrays adds relevance, as arrays that are named after the tensor and the target:
// "R:pixels logits[3@-1]".
func addArrays(archive *npy.Archive, w *lxtc.Rewritten, t passes.Target, out map[string]*ir.Tensor) error {
	for _, v := range relevances(w) {
		arr, err := toArray(out[v.Name])
		if err != nil {
			return err
		}
		*archive = append(*archive, npy.Entry{Name: v.Name + " " + t.String(), Array: arr})
	}
	return nil
}

// separate turns a target that is every class of an output into one for each, if the
// number of classes is known.
func (s *subject) separate(ts []passes.Target, f *feed) []passes.Target {
	var out []passes.Target
	for _, t := range ts {
		if t.Output == "" {
			if v := s.scores(); v != nil {
				t.Output = v.Name
			}
		}
		n, v := int64(0), s.IR().Graph.Find(t.Output)
		if v != nil && t.All {
			if axis := passes.ClassAxis(v.Type.Shape); axis >= 0 {
				n, _ = bind(s.IR().Graph, f.tensors).of(v.Type.Shape[axis])
			}
		}
		if n < 1 || n > maxTop {
			out = append(out, t)
			continue
		}
		t.All = false
		for k := range n {
			t.Class = []int64{k}
			out = append(out, t)
		}
	}
	return out
}

package attribution

import (
	"context"
	"fmt"
	"slices"

	"github.com/lxtc/lxtc"
	"github.com/lxtc/lxtc/internal/arrays"
	"github.com/lxtc/lxtc/ir"
	"github.com/lxtc/lxtc/passes"
	"github.com/lxtc/lxtc/rules"
)

// explainer is a compiled model with relevance.
type explainer struct {
	key string // map, form and target
	*lxtc.Explainer
}

// keptExplainers bounds the compiled models that a lens keeps: targets may be as
// many as samples.
const keptExplainers = 16

// Relevance returns the relevance of the tensor by the given rules. A map is
// known by its name.
func (v *View) Relevance(ctx context.Context, m *rules.Map, form passes.Form) ([]float64, error) {
	return v.flow(ctx, m, form, "R:")
}

// Gradient returns the gradient, as the rules modify it: G, where the relevance of
// gradient form is x∘G.
func (v *View) Gradient(ctx context.Context, m *rules.Map) ([]float64, error) {
	return v.flow(ctx, m, passes.GradientForm, "G:")
}

// flow computes what flows back to the tensor: relevance, "R:", or gradient, "G:".
func (v *View) flow(ctx context.Context, m *rules.Map, form passes.Form, letter string) ([]float64, error) {
	e, err := v.explainer(ctx, m, form, letter == "G:")
	if err != nil {
		return nil, err
	}
	in := make(map[string]*ir.Tensor, len(v.in)+1)
	for name, t := range v.in {
		in[name] = t
	}
	if in[v.lens.Tensor], err = arrays.Convert(ir.Of(v.X, v.Shape...), v.lens.elem); err != nil {
		return nil, err
	}
	out, err := e.Run(ctx, in)
	if err != nil {
		return nil, err
	}
	return out[letter+v.lens.Tensor].Float64s()
}

// explainer compiles the model with relevance by the given rules, or gradients, for the
// element that is explained, if it has not lately.
func (v *View) explainer(ctx context.Context, m *rules.Map, form passes.Form, gradients bool) (*lxtc.Explainer, error) {
	l := v.lens
	key := fmt.Sprint(m.Name, form, gradients, v.Target)
	if i := slices.IndexFunc(l.rules, func(e explainer) bool { return e.key == key }); i >= 0 {
		e := l.rules[i]
		l.rules = append(slices.Delete(l.rules, i, i+1), e)
		return e.Explainer, nil
	}
	if len(l.rules) == keptExplainers {
		if err := l.rules[0].Close(); err != nil {
			return nil, err
		}
		l.rules = slices.Delete(l.rules, 0, 1)
	}
	e, err := l.model.Explainer(ctx, l.backend, lxtc.Options{
		Rules: m, Form: form, Explain: []string{l.Tensor}, TargetsOnly: true, Gradients: gradients,
		Targets: []passes.Target{v.Target},
	}, l.opt.Run)
	if err != nil {
		return nil, fmt.Errorf("rules %s: %w", m.Name, err)
	}
	l.rules = append(l.rules, explainer{key, e})
	return e, nil
}

package attribution

import (
	"context"

	"github.com/lxtc/lxtc/eval"
)

// Occlusion is, for each feature, by how much the score drops without it
// (Zeiler and Fergus 2014). zennit's keeps the window and removes the rest.
func Occlusion(ctx context.Context, m eval.Model) ([]float64, error) {
	n := m.Features()
	scores, err := m.Scores(ctx, append([]eval.Set{make(eval.Set, n)}, eval.Singles(n)...))
	if err != nil {
		return nil, err
	}
	out := make([]float64, n)
	for i := range out {
		out[i] = scores[0] - scores[i+1]
	}
	return out, nil
}

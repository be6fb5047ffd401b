// Package eval measures how well relevance explains a model.
//
// A metric looks at a model as a function of features, tokens or patches of
// pixels, each of which may be removed. The relevance of the features is good
// if removing the most relevant ones changes the score first (Perturb), if
// their sum foretells what removing several changes (Correlation, Infidelity),
// if nearly the same input gets nearly the same relevance (Sensitivity), and if
// it depends on what the model has learnt (Spearman of the relevance of a
// randomised model). How few features carry it is Gini's and Entropy's matter;
// that is clarity and says nothing about truth.
//
// Names and formulas follow Quantus where it has the metric. What differs is
// said at the function: metrics here look at one sample at a time, so that its
// result does not depend on the others of a batch.
package eval

import "context"

// A Set says which features are removed.
type Set []bool

// A Model scores one input.
type Model interface {
	// Features is the number of features.
	Features() int

	// Scores returns the target's score for each of the given sets, with
	// the features in the set removed.
	Scores(ctx context.Context, removed []Set) ([]float64, error)
}

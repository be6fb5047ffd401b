// Package attribution looks at a model as a function of one of its tensors,
// pixels or token embeddings, and explains it by other methods than relevance
// rules: integrated gradients, SmoothGrad, occlusion and attention rollout. They
// run on the same graph and backend, so that a comparison compares methods and
// nothing else. With package eval it says how faithful an explanation is.
package attribution

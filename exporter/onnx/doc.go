// Package onnx writes models of package ir as ONNX files that any runtime reads.
//
//	err := onnx.Save("model.lrp.onnx", m, onnx.Options{})
//
// Functions become model-local functions, and every node keeps in its metadata
// the modules around it, what made it and the rule that explains it. The file
// declares the oldest operator set and IR version that have what it uses.
//
// Weights are not copied if they need not be: a tensor that came from a file of
// external data is referred to where it is, at its place there. Other tensors
// go into the model, or, if that would be larger than Options.Limit, to a file
// beside it.
//
// Errors have the codes LX4001 (the file cannot be written), LX4002 (weights
// that cannot be referred to), LX4003 (a model that ONNX cannot say).
package onnx

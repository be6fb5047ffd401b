// Package onnx reads ONNX files into package ir.
//
//	m, err := onnx.Load("model.onnx")
//	defer m.Close()
//
// What it takes: ai.onnx 7 to 28 and other domains at any version, model-local
// functions (inlined), subgraphs in attributes, external data, all fixed-size
// element types and strings, nodes in any order. Files are mapped, not read:
// opening costs what the graph costs, whatever the weights weigh.
//
// What it gives: one spelling per operator, that of package ops, whichever
// version the file is written in; constants for Constant nodes; a type for every
// value that inference or the file can tell; and for every node the modules of
// the source program around it, from PyTorch's metadata or from the node's name.
//
// Bytes from outside are not trusted. Sizes, offsets, names, nesting and paths
// are checked before they are used, and every error says file, node and reason
// under a code:
//
//	LX1001  no such file, or not one that can be read
//	LX1002  not an ONNX model, or a damaged one
//	LX1003  an IR or operator set version that is not supported
//	LX1004  names: duplicate, undefined, or nodes in a circle
//	LX1005  a tensor whose data do not fit its type and shape
//	LX1006  external data that are missing, too short or outside the model's folder
//	LX1007  a function that calls itself, or calls too deep or too often
//	LX1008  a type that is not a tensor
//	LX1010  operators without a meaning, all of them listed
//	LX1011  an attribute that is malformed
//	LX1012  an operator whose inputs, attributes and types do not fit together
//	LX1013  an older or newer spelling that cannot be said in the current one
//	LX1099  a bug in the compiler: an operator's inference panicked
package onnx

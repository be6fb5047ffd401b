// Package ir holds a model as a graph of typed values and the nodes that
// compute them. It knows nothing of files, rules or devices, and imports the
// standard library only.
//
// The vocabulary:
//
//	Model   a main graph, model-local functions, operator domains and the set
//	        of operators that gives every node its meaning
//	Graph   an ordered list of nodes between inputs, constants and outputs
//	Node    one application of an operator; owns its output values
//	Value   one tensor: a graph input, a constant, or an output of one node
//	Func    an operator defined by a graph of other operators (an ONNX function)
//	Op      what the compiler knows of an operator: types, derivative, body
//	Builder inserts nodes at one place; the first error sticks
//
// The invariants, which Verify reports all at once:
//
//   - A node comes after every node whose value it reads.
//   - A value is an input, a constant or a node's output, never two of them,
//     and its name is unique in its graph.
//   - Value.uses and Node.In agree.
//   - The types of a node's outputs are those its operator infers, or more
//     precise ones.
//
// Operators have one spelling: that of the newest operator version that
// package ops knows. The importer translates older ones.
//
// The textual form (Print, Parse) is the ONNX text syntax.
package ir

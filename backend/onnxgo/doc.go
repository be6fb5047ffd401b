// Package onnxgo lets programs written for github.com/owulveryck/onnx-go run
// their models on a backend of this project, rewritten on the way if they wish.
//
//	be := onnxgo.New(reference.New(), onnxgo.Options{Opset: 13})
//	m := onnx.NewModel(be)
//	err := m.UnmarshalBinary(b)
//	err = m.SetInput(0, x)
//	err = be.Run()
//	out, err := m.GetOutputTensors()
//
// A Backend is an onnx-go Backend: it records the graph that onnx-go decodes.
// What onnx-go leaves out has to be made up for:
//
//   - The version of the operator set and the domains of operators are not
//     passed on. The version is an option; a name means the operator of ai.onnx
//     if there is one, else that of com.microsoft.
//   - Which values are inputs and outputs of the model is not passed on. The
//     order in which onnx-go makes values tells the inputs; every value that the
//     file declares a type for, and every one that nothing reads, is an output.
//     Bind says it exactly.
//   - Dimensions that are not numbers are dropped from declared shapes, so that
//     shapes come from the tensors that are set; a Run with other shapes than
//     the one before compiles the model again.
//
// What onnx-go cannot decode stays so: subgraphs, functions, external data,
// types other than float32, float64, int32, int64 and bool. Package
// importer/onnx decodes all of it.
package onnxgo

// Package onnxpb reads and writes the protobuf encoding of ONNX models. It is
// the only package that knows protobuf.
//
// The codec is generated from the onnx-ml.proto of the onnx Python package by
// the program in gen, which lives in a module of its own and needs no protoc:
//
//	pip download --no-deps onnx==1.23.2 && unzip onnx-*.whl onnx/onnx-ml.proto
//	cd internal/onnxpb/gen
//	go run . -proto ../../../onnx/onnx-ml.proto -version 1.23.2 -out ..
//
// The comment in gen/convert.go says how the schema is changed on the way: the
// bytes stay those of ONNX, TensorProto.raw_data aliases the input, and fields
// unknown to this release survive a round trip.
//
// Decode a file only through Unmarshal. It checks the nesting of the bytes
// first, because the generated decoder recurses without a limit and a stack
// overflow cannot be recovered.
package onnxpb

// Package onnx carries the small models that lxtc explains when none is named.
// The scripts in testdata/gen make them.
package onnx

import "embed"

// Files holds tinylm: a language model of 340 thousand parameters with its
// tokenizer and a prompt.
//
//go:embed tinylm
var Files embed.FS

package reference_test

import "testing"

// TestQuantized compares quantized operators, of ai.onnx and of ONNX Runtime,
// with what ONNX Runtime computed, by testdata/gen/ops/quant.py.
func TestQuantized(t *testing.T) { testNodes(t, "testdata/quant.jsonl.gz", 266) }

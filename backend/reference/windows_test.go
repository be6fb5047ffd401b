package reference_test

import "testing"

// TestWindows compares convolutions, pools and Resize, with random attributes,
// with what ONNX Runtime computed in float32 by testdata/gen/ops/windows.py.
func TestWindows(t *testing.T) { testNodes(t, "testdata/windows.jsonl.gz", 350) }

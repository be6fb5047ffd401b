package cli

import "testing"

func TestHubName(t *testing.T) {
	for path, want := range map[string]string{
		"/h/hub/models--HuggingFaceTB--SmolLM2-135M/snapshots/93efa2f":                 "HuggingFaceTB/SmolLM2-135M",
		"/h/hub/models--HuggingFaceTB--SmolLM2-135M/snapshots/93efa2f/onnx/model.onnx": "HuggingFaceTB/SmolLM2-135M",
		"/h/hub/models--gpt2/snapshots/607a30d":                                        "gpt2",
		"/h/models--mine/model.onnx":                                                   "",
		"/h/models/smollm2":                                                            "",
	} {
		if got := hubName(path); got != want {
			t.Errorf("%s is called %q, want %q", path, got, want)
		}
	}
}

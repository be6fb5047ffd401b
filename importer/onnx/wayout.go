package onnx

import (
	"strings"

	"github.com/lxtc/lxtc/ir"
)

const waysOut = "export with other options, or give these operators a meaning, or keep them as they are"

// wayOut says what to do about an operator without a meaning: first by what is
// known of its domain, then of itself.
func wayOut(op ir.OpName) string {
	switch op.Domain {
	case "com.microsoft.nchwc":
		return "ONNX Runtime laid the weights out for one processor: save the optimized model again with level extended or below (ORT_ENABLE_EXTENDED)"
	case "com.ms.internal.nhwc":
		return "ONNX Runtime laid these out for one execution provider: save the optimized model again for the CPU, with level extended or below (ORT_ENABLE_EXTENDED)"
	case "ai.onnx.preview.training", "ai.onnx.training":
		return "export the model for inference"
	case "ai.onnx.ml":
		return "trees, encoders and the like are not explained: export the network without them"
	case "com.microsoft":
		switch name := op.Name; {
		case strings.HasSuffix(name, "Search"), name == "Sampling":
			return "explain the model that it calls: export the decoder without the search around it"
		case name == "DynamicQuantizeLSTM":
			return "quantize without LSTM: leave it out of op_types_to_quantize"
		case strings.HasPrefix(name, "QOrdered"), name == "QuantizeWithOrder", name == "DequantizeWithOrder":
			return "its layout is that of one GPU: export before the quantization for it"
		case name == "PagedAttention", strings.HasPrefix(name, "Varlen"):
			return "it serves many requests at once: build the model without packed batches"
		case name == "Tokenizer":
			return preprocessing
		}
	case "", "ai.onnx.contrib":
		if op.Name == "ImageDecoder" || op.Domain != "" || strings.HasPrefix(op.Name, "String") || op.Name == "RegexFullMatch" {
			return preprocessing
		}
	}
	return waysOut
}

const preprocessing = "it prepares inputs: export the network without it, and give it what comes out"

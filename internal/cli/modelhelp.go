package cli

import "github.com/spf13/cobra"

// modelTopic is the help topic about the argument MODEL.
func modelTopic() *cobra.Command {
	return &cobra.Command{
		Use: "models", Short: "what MODEL may be",
		Long: `MODEL is an .onnx file, text in ONNX syntax (.onnxtxt), "-" for either on
standard input, or a folder as HuggingFace's tools lay it out. In a folder lxtc
reads the first of

  model.onnx, onnx/model.onnx
  the file that genai_config.json names
  decoder_model.onnx, onnx/decoder_model.onnx
  the only .onnx file there

and names the others with -v: choose model_fp16.onnx or model_q4.onnx by its
path. An encoder_model.onnx beside decoder_model.onnx is read with it, as one
model that is explained on both sides. A merged decoder holds two, of which one
is chosen at each run: it can be explained, by its path, but not rewritten.

tokenizer.json, config.json and preprocessor_config.json lie beside the model or
one folder up. Weights in files of external data stay where they are: a model of
any size opens at once, and a rewritten one refers to the same files, so it is
written beside them. Before a run lxtc warns if what it takes exceeds what is
free; a run that would hold more than that ends with an error. -v says how much
it is.

Of the arrays of --input, those that follow from input_ids may be left out: a mask
of ones, positions, types of 0, a cache of length 0. lxtc says so.`,
	}
}

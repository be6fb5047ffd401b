package diag

// A Code is a class of errors: what they have in common and the way out.
type Code struct {
	ID    string // as an Error has it: "LX3001"
	Title string // lower case, no period
	Doc   string // why it happens and what to do, in Markdown
}

// Codes lists every code, in order. The first digit is the area: 1 reading a
// model, 2 the model inside the compiler, 3 rewriting, 4 writing a model, 5
// rule maps.
func Codes() []Code {
	return []Code{
		{"LX1001", "no such file, or not one that can be read", "Check the path. A folder must hold one `.onnx` file, or `model.onnx` as HuggingFace's tools lay it out: see `lxtc help models`."},
		{"LX1002", "not an ONNX model, or a damaged one", "The bytes are no ONNX protobuf message. A file of a few hundred bytes is often a Git LFS pointer: fetch the file it stands for."},
		{"LX1003", "an IR or operator set version that is not supported", "Export the model again with an operator set version in the range that the message names, or convert it with `onnx.version_converter`."},
		{"LX1004", "a name that is defined twice or not at all, or nodes in a circle", "The file is not a valid model; `onnx.checker.check_model` will say so too. Export it again."},
		{"LX1005", "a tensor whose data do not fit its type and shape", "The file is damaged or was written by a faulty tool. Export it again."},
		{"LX1006", "external data that are missing, too short or outside the model's folder", "Put the data file beside the model, whole and under the name that the model has for it. Paths that leave the model's folder are refused on purpose."},
		{"LX1007", "a function that calls itself, or calls too deep or too often", "Functions are inlined as a model is read, so they must not be recursive. Inline them before, with `onnx.inliner`, or export again."},
		{"LX1008", "a type that is not a tensor", "Sequences, maps, optionals and sparse values as inputs or outputs have no relevance. Export the part of the model that works on tensors."},
		{"LX1010", "operators without a meaning", "Every unknown operator is listed, and every one that is known but refused. Of models that ONNX Runtime has optimized, those of level extended or below are read; layouts for one processor or provider are not. Give them a meaning in Go: see [adding an operator](adding-an-op.md)."},
		{"LX1011", "an attribute that is malformed", "The file is not a valid model. Export it again."},
		{"LX1012", "an operator whose inputs, attributes and types do not fit together", "The file is not a valid model, or lxtc is wrong about the operator: if ONNX Runtime runs the model, please report it."},
		{"LX1013", "a spelling of another version that cannot be said in the current one", "Older versions of some operators can do what later ones cannot. Export the model with a newer operator set."},
		{"LX1099", "a defect of lxtc: inference of an operator panicked", "Please report it, with the node that the message names."},
		{"LX2001", "a model that is not well formed", "The message lists what is broken. A model that was read is well formed; one that was built in Go may not be, and the fault is there."},
		{"LX2002", "a pass broke the model", "A defect of lxtc, or of a pass of your own. `lxtc dump --after PASS` shows the model after any pass."},
		{"LX2003", "a fused operator that cannot be taken apart", "Fused operators, such as a whole attention, are replaced by their parts, which relevance rules know. The message says which input or attribute has no equal in plain operators. Export the model without that fusion, or without the feature."},
		{"LX3001", "an operator on the way to the target has no rule", "Relevance would silently be lost there. Add a line for the operator to a rule map, or pass `--allow-missing` to let nothing flow through it."},
		{"LX3002", "a rule that does not fit its operator", "Some rules take one live input only, or a normalization, or a linear operator. Give the operator another rule in a rule map, or a condition such as `if linear` to the line."},
		{"LX3003", "nothing to explain under that name", "`lxtc inspect` shows the inputs and the token embedding, which are explained by default; `lxtc inspect -v` lists every tensor."},
		{"LX3004", "no such target", "`lxtc help targets` lists what a target may be."},
		{"LX3005", "no relevance reaches what is explained", "Every way from the target ends at an operator without a derivative, such as the quantization of an activation, or at a rule that stops. Explain a tensor behind it, or use another rule map."},
		{"LX3006", "a condition that cannot be met", "`--through` names a tensor on the way to the target, and indices inside it: `TENSOR[:,3]` is channel 3. Of two tensors one behind the other, relevance must pass both; with `--beside` it may go past either."},
		{"LX3007", "a free parameter that no value is given for, or none that values could be for", "A rule map that writes `$gamma` leaves the number to each run. Give it a default, `$gamma=0.25`, or values, with `lxtc grid --param gamma=0,0.25`."},
		{"LX4001", "the file cannot be written", "The message has the operating system's reason. What was there before is untouched."},
		{"LX4002", "weights that cannot be referred to", "A model may refer to weights in its own folder only, and must not replace a file that other weights stay in. Write to the folder of the original, or copy the weights (`CopyWeights` of the exporter's options)."},
		{"LX4003", "a model that ONNX cannot say", "The model holds an operator that is unknown or exists only inside lxtc, or a value outside its graph. Run the pass `legalize` before saving."},
		{"LX5002", "a line of a rule map that cannot be read", "The caret shows where. The language is described in [rules.md](rules.md)."},
		{"LX5003", "no such rule, or arguments that it does not take", "`lxtc rules --list-rules` lists the rules with their parameters."},
	}
}

"""LLaMA-2-7B and Mixtral-8x7B as torch's dynamo exporter writes them, without their weights.

    python testdata/gen/big/dynamo.py     (versions: ../requirements.txt; 5 minutes)

The parameters are views of a file that is one hole. The exporter traces shapes
and folds transpositions, which are views too; so nothing of their size is read
or made.
"""

import pathlib
import tempfile
import warnings

import onnx_ir
import torch
import transformers

import hollow

HALF = torch.float16


class Logits(torch.nn.Module):
    def __init__(self, net):
        super().__init__()
        self.net = net

    def forward(self, input_ids):
        return self.net(input_ids=input_ids, use_cache=False).logits


def empty(cls, config, folder):
    """A model of float16 whose parameters lie in a hole."""
    torch.set_default_dtype(HALF)
    with torch.device("meta"):
        net = cls(config)
    torch.set_default_dtype(torch.float32)
    net.model.rotary_emb = type(net.model.rotary_emb)(config)  # its frequencies are computed, not learned
    count = sum(p.numel() for p in net.parameters())
    path = folder / "hole"
    path.touch()
    with open(path, "r+b") as f:
        f.truncate(2 * count)
    hole, at = torch.from_file(str(path), shared=True, size=count, dtype=HALF), 0
    for name, p in list(net.named_parameters()):
        owner, _, leaf = name.rpartition(".")
        view = hole[at : at + p.numel()].view(p.shape)
        setattr(net.get_submodule(owner), leaf, torch.nn.Parameter(view, requires_grad=False))
        at += p.numel()
    return Logits(net).eval()


def export(cls, config, opset):
    with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        ids = torch.zeros(2, 8, dtype=torch.int64)
        dims = {0: torch.export.Dim("batch", min=2, max=64), 1: torch.export.Dim("seq", min=2, max=4096)}
        program = torch.onnx.export(
            empty(cls, config, pathlib.Path(folder)), (ids,), dynamo=True, opset_version=opset, verbose=False,
            input_names=["input_ids"], output_names=["logits"], dynamic_shapes={"input_ids": dims})
        for name, v in program.model.graph.initializers.items():
            t = v.const_value
            if t.nbytes >= hollow.LARGE:
                v.const_value = onnx_ir.ExternalTensor("later", 0, t.nbytes, t.dtype, shape=t.shape, name=name)
        model = onnx_ir.to_proto(program.model)
    hollow.strip(model)
    return model


def quantize(graph):
    """Store the weights of products in 4 bits, as a DequantizeLinear in blocks of 32."""
    used = hollow.readers(graph)
    replacement, nodes = {}, []
    for t in graph.initializer:
        if not hollow.is_hollow(t) or len(t.dims) < 2 or used[t.name][0].op_type == "Gather":  # embeddings stay
            continue
        axis = 0 if used[t.name][0].op_type == "MatMul" else len(t.dims) - 1  # the axis that the product sums over
        replacement[t.name], node = hollow.dequantize(t.name, t.data_type, list(t.dims), axis)
        nodes.append(node)
    hollow.replace_initializers(graph, replacement)
    rest = list(graph.node)
    del graph.node[:]
    graph.node.extend(nodes + rest)


def main():
    common = dict(num_hidden_layers=32, attn_implementation="eager", use_cache=False)
    llama = transformers.LlamaConfig(
        vocab_size=32000, hidden_size=4096, intermediate_size=11008, num_attention_heads=32, max_position_embeddings=4096, **common)
    model = export(transformers.LlamaForCausalLM, llama, 20)
    hollow.place(model, lambda i: "model.onnx_data")
    hollow.save(model, "llama2-7b")

    mixtral = transformers.MixtralConfig(experts_implementation="batched_mm", sliding_window=None, **common)  # 8x7B is the default
    model = export(transformers.MixtralForCausalLM, mixtral, 21)
    quantize(model.graph)
    hollow.place(model, lambda i: f"weights/{i:05d}.bin")
    hollow.save(model, "mixtral-8x7b-qdq4")


if __name__ == "__main__":
    main()

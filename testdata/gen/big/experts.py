"""Mixtral-8x7B with one subgraph an expert, as TorchScript exports have it, in MatMulNBits.

    python testdata/gen/big/experts.py
    (torch 2.15.0, onnx 1.23.2, onnxruntime 1.32.0, and transformers 4.48.3, the last release that has this structure)

TorchScript runs the model that it exports, so a narrow one is exported, whose
dimensions are numbers that occur nowhere else, and they are replaced in the
graph.
"""

import io
import warnings

import numpy as np
import onnx
import torch
import transformers
from onnx import TensorProto, helper, numpy_helper

import hollow

HEADS, GROUPS, WIDTH, INNER, VOCAB = 32, 8, 26, 1001, 1999  # WIDTH of a head
WIDEN = {HEADS * WIDTH: 4096, GROUPS * WIDTH: 1024, WIDTH: 128, WIDTH // 2: 64, INNER: 14336, VOCAB: 32000}
BLOCK = 32


class Logits(torch.nn.Module):
    def __init__(self, net):
        super().__init__()
        self.net = net

    def forward(self, input_ids):
        return self.net(input_ids=input_ids, use_cache=False, output_router_logits=False).logits


def narrow():
    config = transformers.MixtralConfig(
        vocab_size=VOCAB, hidden_size=HEADS * WIDTH, intermediate_size=INNER, num_attention_heads=HEADS, num_key_value_heads=GROUPS,
        num_hidden_layers=32, sliding_window=None, attn_implementation="eager", use_cache=False)
    torch.manual_seed(0)
    net = Logits(transformers.MixtralForCausalLM(config).half().eval())
    file = io.BytesIO()
    with warnings.catch_warnings(), torch.no_grad():
        warnings.simplefilter("ignore")
        torch.onnx.export(
            net, (torch.arange(7)[None],), file, dynamo=False, opset_version=17, input_names=["input_ids"], output_names=["logits"],
            dynamic_axes={"input_ids": {0: "batch", 1: "seq"}, "logits": {0: "batch", 1: "seq"}})
    return onnx.load_from_string(file.getvalue())


def widen(model):
    """Give the model its true dimensions: in weights, and in the constants that say shapes."""
    def wide(t):
        if t.data_type == TensorProto.INT64:
            values = numpy_helper.to_array(t)
            if values.size > 8:  # no shape
                return t
            return numpy_helper.from_array(np.vectorize(lambda x: WIDEN.get(int(x), int(x)), otypes=[np.int64])(values).reshape(values.shape), t.name)
        dims = [WIDEN.get(d, d) for d in t.dims]
        if t.data_type not in (TensorProto.FLOAT, TensorProto.FLOAT16) or dims == list(t.dims):
            return t
        w = hollow.weight(t.name, t.data_type, dims)
        if hollow.size(w) >= hollow.LARGE:
            return w
        return numpy_helper.from_array(np.ones(dims, numpy_helper.to_array(t).dtype), t.name)

    hollow.replace_initializers(model.graph, {t.name: [wide(t)] for t in model.graph.initializer})
    for n in model.graph.node:
        for a in n.attribute:
            if a.type == onnx.AttributeProto.TENSOR:
                a.t.CopyFrom(wide(a.t))
    for v in model.graph.output:
        for d in v.type.tensor_type.shape.dim:
            if d.dim_value in WIDEN:
                d.dim_value = WIDEN[d.dim_value]


def quantize(model):
    """MatMul by a constant becomes MatMulNBits, as ONNX Runtime's quantizer does it."""
    graph = model.graph
    weights = {t.name: t for t in graph.initializer if hollow.is_hollow(t)}
    replacement = {}
    for n in graph.node:
        if n.op_type != "MatMul" or n.input[1] not in weights:
            continue
        w = weights[n.input[1]]
        k, rows = w.dims
        packed = hollow.weight(w.name + "_Q4", TensorProto.UINT8, [rows, k // BLOCK, BLOCK // 2])
        scales = hollow.weight(w.name + "_scales", w.data_type, [rows * k // BLOCK])
        replacement[w.name] = [packed, scales]
        n.CopyFrom(helper.make_node(
            "MatMulNBits", [n.input[0], packed.name, scales.name], list(n.output), name=n.name, domain="com.microsoft",
            K=k, N=rows, bits=4, block_size=BLOCK))
    hollow.replace_initializers(graph, replacement)
    model.opset_import.append(helper.make_opsetid("com.microsoft", 1))


def main():
    model = narrow()
    widen(model)
    quantize(model)
    hollow.strip(model)
    hollow.place(model, lambda i: f"weights-{i:05d}.bin")
    hollow.save(model, "mixtral-8x7b-nbits")


if __name__ == "__main__":
    main()

"""Models of real size without their weights: what dynamo.py and experts.py share.

A hollow model is an ONNX graph as an exporter writes it at full size, whose
large weights are references to files of external data that do not exist. The
files are made when they are needed, as holes (internal/cmd/bigmodel), so that
13 or 26 GB take no room.
"""

import gzip
import math
import pathlib

from onnx import TensorProto, helper

OUT = pathlib.Path(__file__).resolve().parents[2] / "onnx" / "big"
LARGE = 1 << 16  # bytes; smaller constants keep their values
ALIGN = 4096  # as ONNX Runtime and torch place tensors, so that each can be mapped
KEPT = {"pkg.torch.onnx.class_hierarchy", "pkg.torch.onnx.name_scopes"}
BITS = {TensorProto.FLOAT: 32, TensorProto.FLOAT16: 16, TensorProto.BFLOAT16: 16, TensorProto.UINT8: 8, TensorProto.INT4: 4}


def weight(name, elem, dims):
    """A weight without data; place says where they would be."""
    return TensorProto(name=name, data_type=elem, dims=dims, data_location=TensorProto.EXTERNAL)


def is_hollow(t):
    return t.data_location == TensorProto.EXTERNAL


def size(t):
    return math.prod(t.dims) * BITS[t.data_type] // 8


def strip(model):
    """Drop what holds paths of this machine: stack traces and notes of the exporter."""
    del model.metadata_props[:]
    graph = model.graph
    for v in (*graph.value_info, *graph.input, *graph.output, *graph.initializer):
        del v.metadata_props[:]
    del graph.value_info[:]
    for n in graph.node:
        kept = [p for p in n.metadata_props if p.key in KEPT]
        del n.metadata_props[:]
        n.metadata_props.extend(kept)
        n.doc_string = ""


def place(model, file):
    """Give every hollow weight its place. file(i) names the file of the i-th 4 GB."""
    i, end = 0, 0
    for t in model.graph.initializer:
        if not is_hollow(t):
            continue
        name = file(i)
        if end and name != file(i + 1) and end + size(t) > 4 << 30:
            i, end = i + 1, 0
        del t.external_data[:]
        for key, value in (("location", file(i)), ("offset", end), ("length", size(t))):
            t.external_data.add(key=key, value=str(value))
        end += -(-size(t) // ALIGN) * ALIGN


def save(model, name):
    """Write the model to testdata/onnx/big, packed."""
    OUT.mkdir(parents=True, exist_ok=True)
    path = OUT / f"{name}.onnx.gz"
    with open(path, "wb") as f, gzip.GzipFile(filename="", mode="wb", fileobj=f, compresslevel=9, mtime=0) as z:
        z.write(model.SerializeToString(deterministic=True))
    weights = sum(size(t) for t in model.graph.initializer if is_hollow(t))
    print(f"{path.name}: {path.stat().st_size:,} bytes, {len(model.graph.node):,} nodes, {weights:,} bytes of weights")


def readers(graph):
    """The nodes that read each value."""
    found = {}
    for n in graph.node:
        for i in n.input:
            found.setdefault(i, []).append(n)
    return found


def dequantize(name, elem, dims, axis, block=32):
    """Weights of 4 bits in blocks, and the node that unpacks them under name."""
    scales = [d // block if i == axis else d for i, d in enumerate(dims)]
    node = helper.make_node(
        "DequantizeLinear", [name + "_Q4", name + "_scales"], [name], name=name + "_DequantizeLinear", axis=axis, block_size=block)
    return [weight(name + "_Q4", TensorProto.INT4, dims), weight(name + "_scales", elem, scales)], node


def replace_initializers(graph, replacement):
    """Put lists of initializers in the place of those whose names replacement has."""
    kept = []
    for t in graph.initializer:
        kept.extend(replacement.get(t.name, [t]))
    del graph.initializer[:]
    graph.initializer.extend(kept)


"""Runs ONNX Runtime's own operators, with random inputs, for their bodies to be compared with.

    pip install onnx==1.23.2 onnxruntime==1.32.0 numpy ml_dtypes
    python testdata/gen/ops/fused.py backend/reference/testdata/fused.jsonl.gz

The lines are those of nodes.py, the operator with its domain. What ONNX Runtime does not specify, such as the
rows of padding, is not among the outputs; "-K" is an output that is there and not compared, without which
ONNX Runtime does not see the past.
"""

import gzip
import json
import sys

import numpy as np
import onnx
import onnxruntime as ort
from onnx import helper

from nodes import attribute, tensor

ort.set_default_logger_severity(4)
rng = np.random.default_rng(7)


def x(*shape, scale=1.0):
    """Multiples of 1/8, which pack well."""
    return (rng.integers(-16, 17, size=shape) / 8 * scale).astype(np.float32)


def i32(*values):
    return np.array(values, dtype=np.int32)


def cases():
    yield from activations()
    yield from norms()
    yield from rotary()
    yield from attention()
    yield from multi_head()
    yield from grouped()
    yield from quantized()
    yield from activated()
    yield from sliding()


def activations():
    yield "Gelu", "Gelu", {}, [x(2, 3, 4)], "Y"
    yield "BiasGelu", "BiasGelu", {}, [x(2, 3, 4), x(4)], "Y"
    yield "FastGelu", "FastGelu", {}, [x(2, 3, 4)], "Y"
    yield "FastGelu: bias", "FastGelu", {}, [x(2, 3, 4), x(4)], "Y"
    yield "QuickGelu", "QuickGelu", {}, [x(2, 3, 4)], "Y"
    yield "QuickGelu: alpha", "QuickGelu", {"alpha": 1.0}, [x(2, 3, 4)], "Y"
    yield "FusedMatMul", "FusedMatMul", {"alpha": 0.5}, [x(2, 3, 4), x(4, 5)], "Y"
    yield "FusedMatMul: A transposed", "FusedMatMul", {"transA": 1}, [x(2, 4, 3), x(2, 4, 5)], "Y"
    yield "FusedMatMul: B transposed", "FusedMatMul", {"transB": 1, "alpha": 2.0}, [x(2, 3, 4), x(5, 4)], "Y"
    yield "FusedMatMul: both, a vector", "FusedMatMul", {"transA": 1, "transB": 1}, [x(4), x(5, 4)], "Y"


def norms():
    s, h = (2, 3, 8), 8
    yield "SimplifiedLayerNormalization", "SimplifiedLayerNormalization", {"epsilon": 1e-5}, [x(*s), x(h)], "Y"
    yield "SkipLayerNormalization", "SkipLayerNormalization", {"epsilon": 1e-5}, [x(*s), x(*s), x(h), x(h), x(h)], "Y,,,S"
    yield "SkipLayerNormalization: no beta", "SkipLayerNormalization", {}, [x(*s), x(*s), x(h)], "Y,,,S"
    yield "SkipLayerNormalization: skip broadcast", "SkipLayerNormalization", {"epsilon": 1e-3}, [x(*s), x(1, 3, 8), x(h), None, x(h)], "Y"
    yield "SkipSimplifiedLayerNormalization", "SkipSimplifiedLayerNormalization", {"epsilon": 1e-5}, [x(*s), x(*s), x(h)], "Y,,,S"
    yield "SkipSimplifiedLayerNormalization: bias", "SkipSimplifiedLayerNormalization", {}, [x(*s), x(*s), x(h), x(h)], "Y,,,S"
    ids, segments = rng.integers(0, 7, size=(2, 5)).astype(np.int32), rng.integers(0, 2, size=(2, 5)).astype(np.int32)
    words, places, kinds = x(7, 8), x(6, 8), x(2, 8)
    mask = np.array([[1, 1, 1, 0, 0], [1, 1, 1, 1, 1]], dtype=np.int32)
    at = rng.integers(0, 6, size=(2, 5)).astype(np.int32)
    name = "EmbedLayerNormalization"
    yield name, name, {"epsilon": 1e-5}, [ids, segments, words, places, kinds, x(8), x(8), mask], "Y,M,S"
    yield name + ": words only", name, {}, [ids, None, words, places, None, x(8), x(8)], "Y,M"
    yield name + ": positions", name, {}, [ids, segments, words, places, kinds, x(8), x(8), None, at], "Y,M"


def rotary():
    name, cos, sin = "RotaryEmbedding", x(9, 4), x(9, 4)
    at = np.array([[0, 1, 2], [4, 5, 6]], dtype=np.int64)
    yield name, name, {}, [x(2, 2, 3, 8), at, cos, sin], "Y"
    yield name + ": flat", name, {}, [x(2, 3, 16), at, cos, sin], "Y"
    yield name + ": interleaved", name, {"interleaved": 1}, [x(2, 3, 16), at, cos, sin], "Y"
    yield name + ": from a position", name, {}, [x(2, 2, 3, 8), np.array([3]), cos, sin], "Y"
    yield name + ": part of a head", name, {"rotary_embedding_dim": 4, "num_heads": 2}, [x(2, 3, 16), at, x(9, 2), x(9, 2)], "Y"


def attention():
    name, b, s, c, n = "Attention", 2, 4, 8, 2
    base = [x(b, s, c), x(c, 3 * c, scale=0.5), x(3 * c)]
    mask = np.array([[1, 1, 1, 0], [1, 1, 1, 1]], dtype=np.int32)
    square = np.tril(np.ones((b, s, s), dtype=np.int32))
    yield name, name, {"num_heads": n}, base, "Y"
    yield name + ": causal", name, {"num_heads": n, "unidirectional": 1}, base, "Y"
    yield name + ": mask of keys", name, {"num_heads": n}, base + [mask], "Y"
    yield name + ": mask of keys, causal", name, {"num_heads": n, "unidirectional": 1, "mask_filter_value": -3e38}, base + [mask], "Y"
    yield name + ": mask of pairs", name, {"num_heads": n, "scale": 0.3}, base + [square], "Y"
    yield name + ": number of keys", name, {"num_heads": n}, base + [i32(3, 4)], "Y"
    yield name + ": ends and beginnings", name, {"num_heads": n}, base + [i32(4, 3, 1, 0)], "Y"
    yield name + ": no bias", name, {"num_heads": n}, base[:2], "Y"
    yield name + ": biased scores", name, {"num_heads": n}, base + [None, None, x(b, n, s, s)], "Y"
    past = x(2, b, n, 3, c // n)
    yield name + ": past", name, {"num_heads": n, "unidirectional": 1}, base + [None, past], "Y,P"
    wide = [x(b, s, c), x(c, 2 * c + 12, scale=0.5), x(2 * c + 12)]
    yield name + ": other values", name, {"num_heads": n, "qkv_hidden_sizes": [c, c, 12]}, wide, "Y"


def multi_head():
    name, b, s, t, c, n = "MultiHeadAttention", 2, 3, 4, 8, 2
    q, k, v = x(b, s, c), x(b, t, c), x(b, t, c)
    mask = np.array([[1, 1, 1, 0], [1, 0, 1, 1]], dtype=np.int32)
    yield name, name, {"num_heads": n}, [q, k, v], "Y"
    yield name + ": bias", name, {"num_heads": n, "scale": 0.4}, [q, k, v, x(3 * c)], "Y"
    yield name + ": mask of keys", name, {"num_heads": n}, [q, k, v, None, mask], "Y"
    yield name + ": number of keys", name, {"num_heads": n}, [q, k, v, None, i32(2, 4)], "Y"
    yield name + ": biased scores", name, {"num_heads": n}, [q, k, v, None, None, x(1, n, s, t)], "Y"
    yield name + ": causal", name, {"num_heads": n, "unidirectional": 1}, [q, x(b, s, c), x(b, s, c)], "Y"
    yield name + ": keys in heads", name, {"num_heads": n}, [q, x(b, n, t, c // n), x(b, n, t, c // n)], "Y"
    past = [x(b, n, 2, c // n), x(b, n, 2, c // n)]
    yield name + ": past", name, {"num_heads": n}, [q, x(b, s, c), x(b, s, c), None, None, None, *past], "Y,K,V"
    yield name + ": past, causal", name, {"num_heads": n, "unidirectional": 1}, [q, x(b, s, c), x(b, s, c), None, None, None, *past], "Y,K,V"
    few = [q, x(b, 2, c), x(b, 2, c)]
    yield name + ": fewer keys than queries, causal", name, {"num_heads": n, "unidirectional": 1}, few, "Y"
    yield name + ": fewer keys than queries, past, causal", name, {"num_heads": n, "unidirectional": 1}, [*few, None, None, None, *past], "Y,K,V"
    yield name + ": number of keys and where rows begin", name, {"num_heads": n}, [q, k, v, None, i32(2, 4, 0, 2, 5, 0, 2, 6)], "Y"
    yield name + ": other values", name, {"num_heads": n}, [q, k, x(b, t, 12), x(2 * c + 12)], "Y"


def grouped():
    name, b, s, n, g, d = "GroupQueryAttention", 2, 4, 4, 2, 16
    q, k, v = x(b, s, n * d), x(b, s, g * d), x(b, s, g * d)
    heads = {"num_heads": n, "kv_num_heads": g}
    full, length = i32(s - 1, s - 1), i32(s)
    tables = [x(12, d // 2), x(12, d // 2)]
    rotary = heads | {"do_rotary": 1}
    none = [np.zeros((b, g, 0, d), np.float32)] * 2
    yield name, name, heads, [q, k, v, None, None, full, length], "Y,K,V"
    yield name + ": scaled, softcap", name, heads | {"scale": 0.2, "softcap": 1.5}, [q, k, v, None, None, full, length], "Y"
    yield name + ": packed", name, heads, [x(b, s, (n + 2 * g) * d), None, None, None, None, full, length], "Y,K,V"
    yield name + ": rotary", name, rotary, [q, k, v, None, None, full, length, *tables], "Y,K,V"
    yield name + ": rotary interleaved", name, rotary | {"rotary_interleaved": 1}, [q, k, v, None, None, full, length, *tables], "Y"
    yield name + ": rotary, empty past", name, rotary, [q, k, v, *none, full, length, *tables], "Y,K,V"
    large = [x(1, s, n * 32), x(1, s, g * 32), x(1, s, g * 32)]
    yield name + ": rotary of part of a head", name, rotary, [*large, None, None, full[:1], length, *tables], "Y,K,V"
    yield name + ": window", name, heads | {"local_window_size": 2}, [q, k, v, None, None, full, length], "Y"
    yield name + ": biased scores", name, heads, [q, k, v, None, None, full, length, None, None, None, x(1, 1, s, s)], "Y"
    yield name + ": sinks", name, heads, [q, k, v, None, None, full, length, None, None, None, None, x(n)], "Y"
    yield name + ": smooth softmax", name, heads | {"smooth_softmax": 1}, [q, k, v, None, None, full, length], "Y"
    yield name + ": positions", name, rotary, [q[:1], k[:1], v[:1], None, None, full[:1], length, *tables, np.array([[0, 1, 2, 3]])], "Y"
    past = [x(b, g, 3, d), x(b, g, 3, d)]
    step = [x(b, 1, n * d), x(b, 1, g * d), x(b, 1, g * d), *past]
    yield name + ": next token", name, rotary, [*step, i32(3, 3), i32(4), *tables], "Y,K,V"
    yield name + ": next token, rows of two lengths", name, rotary, [*step, i32(3, 2), i32(4), *tables], "Y,K,V"
    biased = [*step, i32(1, 3), i32(4), None, None, None, x(b, 1, 1, 4)]
    yield name + ": next token, rows of two lengths, biased scores", name, heads, biased, "Y,K,V"
    yield name + ": next token, window", name, heads | {"local_window_size": 2}, [*step, i32(3, 3), i32(4)], "Y,K,V"
    chunk = [x(1, 2, n * d), x(1, 2, g * d), x(1, 2, g * d), past[0][:1], past[1][:1]]
    yield name + ": next tokens", name, rotary | {"local_window_size": 3}, [*chunk, i32(4), i32(5), *tables], "Y,K,V"
    yield name + ": both directions", name, heads | {"causal": 0}, [q, k, v, None, None, full, length], "Y"
    short = i32(s - 1, s - 3)
    yield name + ": a row with padding behind it", name, rotary, [q, k, v, None, None, short, length, *tables], "Y,K,V"
    yield name + ": a row with padding behind it, empty past", name, rotary, [q, k, v, *none, short, length, *tables], "Y,K,V"


def sliding():
    """Caches that hold a row's last positions only, with room for more than the window or not."""
    name, n, g, d, w = "GroupQueryAttention", 2, 1, 16, 3
    window = {"num_heads": n, "kv_num_heads": g, "local_window_size": w, "sliding_window_cache": 1}

    def step(b, s, room):
        return [x(b, s, n * d), x(b, s, g * d), x(b, s, g * d), x(b, g, room, d), x(b, g, room, d)]

    yield name + ": sliding cache", name, window, [*step(2, 5, w), i32(4, 4), i32(5)], "Y,K,V"
    tables = [x(12, d // 2), x(12, d // 2)]
    few = [*step(1, 2, w + 2), i32(1), i32(2), *tables]
    yield name + ": sliding cache, not full", name, window | {"do_rotary": 1}, few, "Y,-K,-V"
    yield name + ": sliding cache, next token, rows of two lengths", name, window, [*step(2, 1, w), i32(5, 2), i32(6)], "Y,K,V"
    yield name + ": sliding cache, next tokens", name, window, [*step(1, 2, w + 2), i32(7), i32(8)], "Y,K,V"


def quantized():
    name = "MatMulNBits"
    for bits, k, block, what in [(4, 32, 16, ""), (8, 32, 16, ""), (4, 40, 16, ", blocks filled up"), (8, 40, 32, ", blocks filled up")]:
        n, blocks = 3, -(-k // block)
        b = rng.integers(0, 256, size=(n, blocks, block * bits // 8)).astype(np.uint8)
        attrs = {"K": k, "N": n, "bits": bits, "block_size": block}
        scales = np.abs(x(n, blocks)) + np.float32(0.125)
        zeros = rng.integers(0, 256, size=(n, -(-blocks * bits // 8))).astype(np.uint8)
        title = f"{name}: {bits} bits{what}"
        yield title, name, attrs, [x(2, k), b, scales], "Y"
        yield title + ", zero points", name, attrs, [x(2, 2, k), b, scales, zeros], "Y"
        if bits == 4:
            yield title + ", zero points of floats", name, attrs, [x(2, k), b, scales, x(n, blocks) + 8], "Y"
    yield name + ": bias", name, attrs, [x(2, k), b, scales, None, None, x(n)], "Y"
    name, n, k = "MatMulBnb4", 4, 24
    for kind, block in [(0, 16), (1, 32), (1, 64)]:
        b = rng.integers(0, 256, size=n * k // 2).astype(np.uint8)
        attrs = {"K": k, "N": n, "quant_type": kind, "block_size": block}
        absmax = np.abs(x(-(-n * k // block))) + np.float32(0.125)
        yield f"{name}: {['FP4', 'NF4'][kind]}, blocks of {block}", name, attrs, [x(2, 3, k), b, absmax], "Y"
    name = "GatherBlockQuantized"
    ids = np.array([[3, 0], [1, 4]], dtype=np.int64)
    scales = np.abs(x(5, 2)) + np.float32(0.125)
    for bits in (4, 8):
        table = rng.integers(0, 256, size=(5, 32 * bits // 8)).astype(np.uint8)
        attrs = {"bits": bits, "block_size": 16, "quantize_axis": 1, "gather_axis": 0}
        zeros = rng.integers(0, 256, size=(5, 2 * bits // 8)).astype(np.uint8)
        yield f"{name}: {bits} bits", name, attrs, [table, ids, scales], "Y"
        yield f"{name}: {bits} bits, zero points", name, attrs, [table, ids, scales, zeros], "Y"


def activated():
    """Linear operators with their activation; ONNX Runtime has no others in float32."""
    a, b, c = x(3, 4), x(4, 5), x(5)
    for act, params in {
        "Relu": [], "Tanh": [], "Sigmoid": [], "LeakyRelu": [0.25], "HardSigmoid": [0.125, 0.5],
    }.items():  # fmt: skip
        given = {f"activation_{k}": v for k, v in zip(("alpha", "beta"), params)}
        yield f"FusedGemm: {act}", "FusedGemm", {"activation": act, "alpha": 0.5, **given}, [a, b, c], "Y"
        given = {"activation_params": params} if params else {}
        image, w = x(1, 2, 4, 4), x(3, 2, 3, 3)
        yield f"FusedConv: {act}", "FusedConv", {"activation": act, "pads": [1] * 4, **given}, [image, w, x(3)], "Y"
    yield "FusedGemm: transposed", "FusedGemm", {"activation": "Relu", "transA": 1, "transB": 1}, [x(4, 3), x(5, 4)], "Y"
    clip = {"activation": "Clip", "activation_params": [-0.5, 6.0]}
    yield "FusedConv: Clip", "FusedConv", clip, [x(1, 2, 4, 4), x(3, 2, 3, 3), x(3)], "Y"
    relu = {"activation": "Relu"}
    yield "FusedConv: a residual", "FusedConv", relu, [x(1, 2, 4, 4), x(3, 2, 3, 3), x(3), x(1, 3, 2, 2)], "Y"


def run(title, op, attrs, inputs, outputs):
    names = ["" if v is None else f"x{i}" for i, v in enumerate(inputs)]
    outputs = outputs.split(",")
    domain = "" if op == "SimplifiedLayerNormalization" else "com.microsoft"  # ONNX Runtime has it there
    if "." in op:
        domain, op = op.rsplit(".", 1)
    node = helper.make_node(op, names, [name.lstrip("-") for name in outputs], domain=domain, **attrs)
    given = {name: v for name, v in zip(names, inputs) if name}
    elem = {name: helper.np_dtype_to_tensor_dtype(v.dtype) for name, v in given.items()}
    returned = [name for name in outputs if name and name[0] != "-"]
    # Weights must be constants to some kernels, and all may be.
    weights = [onnx.numpy_helper.from_array(v, name) for name, v in given.items() if v.dtype == np.uint8]
    feed = {name: v for name, v in given.items() if v.dtype != np.uint8}
    graph = helper.make_graph(
        [node],
        "g",
        [helper.make_tensor_value_info(name, elem[name], v.shape) for name, v in feed.items()],
        [onnx.ValueInfoProto(name=name) for name in node.output if name],
        weights,
    )
    opsets = [helper.make_opsetid(*o) for o in (("", 21), ("com.microsoft", 1), ("ai.onnx.ml", 3))]
    model = helper.make_model(graph, opset_imports=opsets, ir_version=10)
    session = ort.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    return {
        "name": title,
        "op": f"{domain or 'com.microsoft'}.{op}",
        "attrs": [attribute(a) for a in node.attribute],
        "in": [None if v is None else tensor(v) for v in inputs],
        "names": [name if name in returned else "" for name in outputs],
        "out": [tensor(v) for v in session.run(returned, feed)],
    }


def write(path, cases, run=run):
    lines = []
    for c in cases:
        try:
            lines.append(json.dumps(run(*c), separators=(",", ":")))
        except Exception as why:  # of any kind: the checker's or the runtime's
            print(f"{c[0]}: {str(why).strip().splitlines()[0][:200]}")
    with open(path, "wb") as f, gzip.GzipFile(filename="", fileobj=f, mode="wb", mtime=0) as z:
        z.write(("\n".join(lines) + "\n").encode())
    print(f"{len(lines)} cases")


if __name__ == "__main__":
    write(sys.argv[1], cases())

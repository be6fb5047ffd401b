"""Runs more of ONNX Runtime's own operators, for their bodies to be compared with.

    pip install onnx==1.23.2 onnxruntime==1.32.0 numpy ml_dtypes
    python testdata/gen/ops/contrib.py backend/reference/testdata/contrib.jsonl.gz

Cases and lines are those of fused.py. Where ONNX Runtime has a kernel for GPUs only, the case ends with the
graph from which it fuses the operator, or which its documentation gives for it, and that is run instead.
"""

import sys

import fused
import numpy as np
import onnx
import onnxruntime as ort
from fused import helper, i32, rng, write, x
from nodes import attribute, tensor


def cases():
    yield from channels()
    yield from gates()
    yield from experts()
    yield from packing()
    yield from positions()
    yield from carried()
    yield from sparse()
    yield from next_token()
    yield from older()
    yield from packed_weights()
    yield from classic()


def channels():
    s = (2, 4, 3, 8)  # N, H, W, C
    norm = "t = GroupNormalization <num_groups=2, epsilon=1e-3> (x0, x1, x2)"
    for act in (0, 1):
        attrs = {"groups": 2, "epsilon": 1e-3, "activation": act}
        end = "Y = Swish (t)" if act else "Y = Identity (t)"
        first = [x(2, 8, 4, 3), x(8), x(8)]
        yield f"GroupNorm: channels second, {act}", "GroupNorm", attrs | {"channels_last": 0}, first, "Y", f"{norm} {end}"
        last = norm.replace("x0", "a")
        turned = f"a = Transpose <perm=[0,3,1,2]> (x0) {last} {end.replace('Y', 'u')} Y = Transpose <perm=[0,2,3,1]> (u)"
        yield f"GroupNorm: {act}", "GroupNorm", attrs, [x(*s), x(8), x(8)], "Y", turned
        summed = turned.replace("(x0)", "(S)")
        given = [x(*s), x(8), x(8), x(*s)]
        yield f"SkipGroupNorm: {act}", "SkipGroupNorm", attrs, given, "Y,S", f"S = Add (x0, x3) {summed}"
        given = [x(*s), x(8), x(8), x(2, 8), x(8)]
        skip = "k = Unsqueeze (x3, axes) s = Add (x0, k) S = Add (s, x4)"
        axes = "axes = Constant <value = int64[2] {1, 2}> ()"
        yield f"SkipGroupNorm: by channel, bias, {act}", "SkipGroupNorm", attrs, given, "Y,S", f"{axes} {skip} {summed}"
        given = [x(2, 8, 4, 3), x(8), x(8), x(2, 8), x(8)]
        other = norm.replace("x0", "S")
        axes = "axes = Constant <value = int64[2] {2, 3}> () more = Constant <value = int64[2] {1, 2}> ()"
        skip = "k = Unsqueeze (x3, axes) b = Unsqueeze (x4, more) s = Add (x0, k) S = Add (s, b)"
        yield (
            f"SkipGroupNorm: channels second, by channel, bias, {act}", "SkipGroupNorm", attrs | {"channels_last": 0}, given, "Y,S",
            f"{axes} {skip} {other} {end}",
        )  # fmt: skip
    conv = "pads=[1,1,1,1], strides=[2,1]"
    attrs = {"pads": [1] * 4, "strides": [2, 1]}
    graph = "a = Transpose <perm=[0,3,1,2]> (x0) w = Transpose <perm=[0,3,1,2]> (x1) "
    graph += f"y = Conv <{conv}> (a, w, x2) Y = Transpose <perm=[0,2,3,1]> (y)"
    yield "NhwcConv", "NhwcConv", attrs, [x(1, 5, 4, 2), x(3, 3, 3, 2), x(3)], "Y", graph
    graph = f"a = Transpose <perm=[0,3,1,2]> (x0) y = Conv <{conv}> (a, x1, x2) z = Transpose <perm=[0,2,3,1]> (y) "
    graph += "s = Add (z, x3) Y = Relu (s)"
    given = [x(1, 5, 4, 2), x(3, 2, 3, 3), x(3), x(1, 3, 4, 3)]
    yield "NhwcFusedConv", "NhwcFusedConv", attrs | {"activation": "Relu"}, given, "Y", graph
    image = rng.integers(0, 256, size=(1, 5, 6, 3)).astype(np.uint8)
    yield "NhwcMaxPool", "NhwcMaxPool", {"kernel_shape": [2, 3], "strides": [1, 2]}, [image], "Y"
    graph = "a = Add (x0, x1) l, r = Split <axis=-1, num_outputs=2> (a) g = Gelu (r) Y = Mul (l, g)"
    yield "BiasSplitGelu", "BiasSplitGelu", {}, [x(2, 3, 8), x(8)], "Y", graph
    for op, attrs, more in [
        ("Conv", "pads = [1, 1, 1, 1], strides = [2, 1]", [x(4, 3, 3, 3), x(4)]), ("ConvTranspose", "strides = [2, 2]", [x(3, 4, 2, 2)]),
        ("MaxPool", "kernel_shape = [2, 2]", []), ("AveragePool", "kernel_shape = [2, 3], count_include_pad = 1, pads = [1, 1, 0, 0]", []),
        ("GlobalAveragePool", "", []), ("GlobalMaxPool", "", []), ("InstanceNormalization", "epsilon = 0.01", [x(3), x(3)]),
        ("BatchNormalization", "", [x(3), x(3), x(3), np.abs(x(3)) + 1]), ("LRN", "size = 3", []), ("SpaceToDepth", "blocksize = 2", []),
    ]:  # fmt: skip
        names = ", ".join(["a"] + [f"x{i}" for i in range(1, 1 + len(more))])
        text = f"y = {op} <{attrs}> ({names})" if attrs else f"y = {op} ({names})"
        given = {a.name: helper.get_attribute_value(a) for a in onnx.parser.parse_node(text).attribute}
        graph = f"a = Transpose <perm = [0, 3, 1, 2]> (x0) {text} Y = Transpose <perm = [0, 2, 3, 1]> (y)"
        yield f"{op}: channels last", f"com.ms.internal.nhwc.{op}", given, [x(1, 4, 6, 3), *more], "Y", graph
    given = [x(1, 2, 3, 8)]
    graph = "a = Transpose <perm = [0, 3, 1, 2]> (x0) y = DepthToSpace <blocksize = 2> (a) Y = Transpose <perm = [0, 2, 3, 1]> (y)"
    yield "DepthToSpace: channels last", "com.ms.internal.nhwc.DepthToSpace", {"blocksize": 2}, given, "Y", graph
    yield "BiasAdd", "BiasAdd", {}, [x(2, 3, 4), x(4), x(2, 3, 4)], "Y", "a = Add (x0, x1) Y = Add (a, x2)"


def gates():
    s = (2, 3, 8)
    graph = "s = Sigmoid (x0) g = Mul (x0, s) Y = Mul (g, x1)"
    yield "SwiGLU", "SwiGLU", {}, [x(*s), x(*s)], "Y", graph
    graph = """l, r = Split <axis=-1, num_outputs=2> (x0)
        hi = Constant <value_float = 1.0> () lo = Constant <value_float = -1.0> () al = Constant <value_float = 1.5> ()
        g = Clip (l, , hi) u = Clip (r, lo, hi) a = Mul (g, al) s = Sigmoid (a) h = Mul (g, s) v = Add (u, hi) Y = Mul (h, v)"""
    limits = {"activation_alpha": 1.5, "activation_beta": 1.0, "limit": 1.0}
    yield "SwiGLU: one tensor, limits", "SwiGLU", limits, [x(*s)], "Y", graph
    yield "ScaledSiLU", "ScaledSiLU", {"alpha": 0.5}, [x(*s)], "Y"
    yield "ScaledSiLU: given", "ScaledSiLU", {}, [x(*s), np.array(0.75, np.float32)], "Y"
    yield "GatedAdd", "GatedAdd", {}, [x(*s), x(*s), x(2, 3, 1)], "Y"
    graph = "p = MatMul (x2, x3) s = Sigmoid (p) m = Mul (x1, s) Y = Add (x0, m)"
    yield "GatedAdd: weight", "GatedAdd", {}, [x(*s), x(*s), x(2, 3, 5), x(5, 1)], "Y", graph
    yield "GatedRMSNorm", "GatedRMSNorm", {}, [x(*s), x(8), x(*s)], "Y"
    yield "GatedRMSNorm: heads, sigmoid", "GatedRMSNorm", {"activation": "sigmoid", "epsilon": 1e-3}, [x(*s), x(4), x(*s)], "Y"
    yield "LinearAttentionGate", "LinearAttentionGate", {}, [x(*s), x(8), x(8), x(*s)], "Y,B"
    scores = x(2, 2, 3, 4)
    graph = "a = Add (x0, x1) Y = Softmax <axis=-1> (a)"
    inner = {"axis": 3, "is_inner_broadcast": 1}
    yield "BiasSoftmax", "BiasSoftmax", inner, [scores, x(2, 1, 1, 4)], "Y", graph
    graph = "a = Add (x0, x1) f = Flatten <axis=2> (a) s = Softmax <axis=-1> (f) n = Shape (a) Y = Reshape (s, n)"
    yield "BiasSoftmax: two axes", "BiasSoftmax", {"axis": 2, "is_inner_broadcast": 0}, [scores, x(3, 4)], "Y", graph
    yield "BiasDropout", "BiasDropout", {}, [x(*s), x(8), x(*s)], "Y", "a = Add (x0, x1) Y = Add (a, x2)"
    graph = 'm = MatMul (x0, x1) a = Add (m, x2) Y = Gelu <approximate = "tanh"> (a)'
    yield "GemmFastGelu", "GemmFastGelu", {}, [x(*s), x(8, 4), x(4)], "Y", graph


def experts():
    """Four experts of eight features; QMoE in float16 too would only round."""
    t, e, h, i = 5, 4, 16, 32
    route = x(t, e) + np.linspace(0, 0.1, e, dtype=np.float32)  # ties have no order
    for act in ("relu", "gelu", "silu", "identity"):
        given = [x(t, h), route, x(e, i, h, scale=0.25), x(e, i), x(e, h, i, scale=0.25), x(e, h)]
        yield f"MoE: {act}", "MoE", {"k": 2, "activation_type": act}, given, "Y"
    fused_gate = {"k": 2, "activation_type": "swiglu", "swiglu_fusion": 1, "normalize_routing_weights": 1}
    given = [x(1, t, h), route, x(e, 2 * i, h, scale=0.25), x(e, 2 * i), x(e, h, i, scale=0.25), x(e, h)]
    limits = {"activation_alpha": 1.75, "activation_beta": 1.0, "swiglu_limit": 1.5}
    yield "MoE: swiglu", "MoE", fused_gate, given, "Y"
    yield "MoE: swiglu, limits", "MoE", fused_gate | limits, given, "Y"
    yield "MoE: swiglu, no bias, one expert each", "MoE", fused_gate | {"k": 1}, [given[0], route, given[2], None, given[4]], "Y"
    for bits in (4, 8):
        packed = [rng.integers(0, 256, size=(e, n, k * bits // 8)).astype(np.uint8) for n, k in ((2 * i, h), (h, i))]
        unit = 0.25 / 2 ** (bits - 1)
        scales = [(np.abs(x(e, n)) + 0.125) * np.float32(unit) for n in (2 * i, h)]
        attrs = fused_gate | limits | {"expert_weight_bits": bits}
        given = [x(t, h), route, packed[0], scales[0], x(e, 2 * i), packed[1], scales[1], x(e, h)]
        yield f"QMoE: {bits} bits", "QMoE", attrs, given, "Y"
        zeros = [rng.integers(0, 256, size=(e, n * bits // 8)).astype(np.uint8) for n in (2 * i, h)]
        yield f"QMoE: {bits} bits, zero points", "QMoE", attrs, given + [None] * 3 + zeros, "Y"
        if bits == 8:  # ONNX Runtime quantizes what comes in, if blocks are of 8 bits
            continue
        blocks = [(np.abs(x(e, n, k // 16)) + 0.125) * np.float32(unit) for n, k in ((2 * i, h), (h, i))]
        given[3], given[6] = blocks
        attrs = attrs | {"block_size": 16}
        yield f"QMoE: {bits} bits, blocks", "QMoE", attrs, given, "Y"
        zeros = [rng.integers(0, 256, size=(e, n, -(-k // 16 * bits // 8))).astype(np.uint8) for n, k in ((2 * i, h), (h, i))]
        yield f"QMoE: {bits} bits, blocks, zero points", "QMoE", attrs, given + [None] * 3 + zeros, "Y"
        mixes = [None] * 6 + [np.abs(x(t, e)) + np.float32(0.125)]
        yield f"QMoE: {bits} bits, blocks, mixed by others", "QMoE", attrs | {"normalize_routing_weights": 0}, given + mixes, "Y"


def packing():
    """Two sequences of 2 and 4 tokens, padded to 4."""
    b, s, c, n = 2, 4, 8, 2
    counts, begins = i32(2, 4), i32(0, 2, 6)
    offsets = i32(0, 1, 4, 5, 6, 7, 2, 3).reshape(b, s)
    places = "at = Constant <value = int64[6] {0, 1, 4, 5, 6, 7}> () rest = Constant <value = int64[2] {2, 3}> () "
    flat = "two = Constant <value = int64[2] {-1, 8}> () three = Constant <value = int64[3] {2, 4, 8}> () "
    graph = places + flat + "f = Reshape (x0, two) Y = Gather (f, at) "
    graph += "o = Concat <axis = 0> (at, rest) shape = Constant <value = int64[2] {2, 4}> () t = Reshape (o, shape) O = Cast <to = 6> (t)"
    graph += " U = Constant <value = int32[3] {0, 2, 6}> () M = Constant <value = int32[1] {4}> ()"
    yield "RemovePadding", "RemovePadding", {}, [x(b, s, c), counts], "Y,O,U,M", graph
    restore = places + flat + "zero = Constant <value = int64[2] {8, 8}> () z = ConstantOfShape (zero) "
    restore += "one = Constant <value = int64[1] {1}> () i = Unsqueeze (at, one) "
    graph = restore + "f = ScatterND (z, i, x0) Y = Reshape (f, three)"
    yield "RestorePadding", "RestorePadding", {}, [x(6, c), offsets], "Y", graph
    # Attention of the padded batch, with a mask of keys, whose rows without padding are those asked for.
    attend = "p = com.microsoft.MultiHeadAttention <num_heads = 2, mask_filter_value = -1e30> (q, k, v, B, counts, R) "
    attend += "g = Reshape (p, two) Y = Gather (g, at) "
    attend = "counts = Constant <value = int32[2] {2, 4}> () " + attend
    pad = "".join(f"{v}0 = ScatterND (z, i, {v}1) {v} = Reshape ({v}0, three) " for v in "qkv")
    graph = restore + "m = MatMul (x0, x1) a = Add (m, x2) q1, k1, v1 = Split <axis = 1, num_outputs = 3> (a) "
    graph += pad + attend.replace("B, counts", ", counts")
    given = [x(6, c), x(c, 3 * c, scale=0.5), x(3 * c), offsets, begins]
    yield "PackedAttention", "PackedAttention", {"num_heads": n}, given, "Y", graph.replace("R)", ")").replace(", )", ")")
    biased = graph.replace("R)", "x5)")
    yield "PackedAttention: biased scores", "PackedAttention", {"num_heads": n}, given + [x(1, n, s, s)], "Y", biased
    graph = restore + "q1 = Identity (x0) k1 = Identity (x1) v1 = Identity (x2) " + pad
    given = [x(6, c), x(6, c), x(6, c), x(3 * c), offsets, begins]
    plain = graph + attend.replace("B, counts", "x3, counts").replace(", R)", ")")
    yield "PackedMultiHeadAttention", "PackedMultiHeadAttention", {"num_heads": n}, given, "Y", plain
    graph = restore + "a, b, d = Split <axis = 2, num_outputs = 3> (x0) "
    graph += "".join(f"{v}1 = Reshape ({w}, two) " for v, w in zip("qkv", "abd")) + pad
    given = [x(6, n, 3, c // n), None, None, None, offsets, begins, x(b, 1, s, s)]
    plain = graph + attend.replace("B, counts", ", counts").replace("R)", "x6)")
    yield "PackedMultiHeadAttention: one tensor, biased scores", "PackedMultiHeadAttention", {"num_heads": n}, given, "Y", plain


def positions():
    table, length = x(8, 3), np.array([40])
    for both in (0, 1):
        far = bucket(np.arange(40)[None] - np.arange(40)[:, None], both, 8, 20)
        want = table.reshape(3, 8)[:, far][None]
        attrs = {"is_bidirectional": both, "max_distance": 20}
        yield f"RelativePositionBias: {both}", "RelativePositionBias", attrs, [table, length, length], "Y", want
    b, s, n, d = 2, 3, 2, 4
    given = [x(b, s, n * d), x(n * d), x(1, n, s, s), x(d, 8), x(8), x(1, n, 1, 1)]
    graph = """heads = Constant <value = int64[4] {2, 3, 2, 4}> () a = Add (x0, x1) r = Reshape (a, heads)
        q = Transpose <perm = [0, 2, 1, 3]> (r) m = MatMul (q, x3) u = Add (m, x4)
        five = Constant <value = int64[5] {2, 2, 3, 2, 4}> () v = Reshape (u, five) last = Constant <value = int64[1] {-1}> ()
        t = ReduceSum <keepdims = 0> (v, last) s = Sigmoid (t) gu, gr = Split <axis = -1, num_outputs = 2> (s)
        e = Mul (gr, x5) one = Constant <value_float = 1.0> () f = Sub (e, one) g = Mul (gu, f) two = Constant <value_float = 2.0> ()
        h = Add (g, two) Y = Mul (h, x2)"""
    name = "GatedRelativePositionBias"
    yield name, name, {"num_heads": n}, given, "Y", graph
    name, cos, sin = "MRotaryEmbedding", x(9, 4), x(9, 4)
    at = rng.integers(0, 9, size=(3, b, s)).astype(np.int64)
    sections = {"mrope_section": [2, 1, 1]}
    yield name, name, sections, [x(b, n, s, 8), at, cos, sin], "Y"
    yield name + ": flat", name, sections | {"num_heads": n, "rotary_embedding_dim": 8}, [x(b, s, n * 8), at, cos, sin], "Y"
    yield name + ": every third", name, sections | {"mrope_layout": 1}, [x(b, n, s, 8), at, cos, sin], "Y"
    attrs = {"mrope_section": [1, 2, 1], "mrope_layout": 1, "rotary_embedding_dim": 8, "num_heads": 2, "interleaved": 1}
    yield name + ": part of a head", name, attrs, [x(b, s, n * 12), at, cos, sin], "Y"


def carried():
    """Layers with a state. Keys are short, as those of a delta rule have to be."""
    b, t, d, e = 2, 3, 4, 2
    name = "LinearAttention"
    for q, kv, keys, what in [(4, 2, 2, "groups"), (2, 4, 4, "more values"), (2, 4, 2, "more values, keys as queries")]:
        given = [x(b, t, q * d), x(b, t, keys * d, scale=0.25), x(b, t, kv * e), x(b, kv, d, e), -np.abs(x(b, t, kv)), np.abs(x(b, t, kv)) / 2]
        yield f"{name}: {what}", name, {"q_num_heads": q, "kv_num_heads": kv}, given, "Y,S"
    attrs = {"q_num_heads": 2, "kv_num_heads": 2, "update_rule": "gated", "scale": 1.0}
    given = [x(b, t, 2 * d), x(b, t, 2 * d), x(b, t, 2 * e), None, -np.abs(x(b, t, 2 * d))]
    yield f"{name}: decay of features", name, attrs, given, "Y,S"
    name, c, k = "CausalConvWithState", 3, 3
    yield name, name, {"activation": "silu"}, [x(b, c, 5), x(c, 1, k), x(c), x(b, c, k - 1)], "Y,S"
    yield f"{name}: no past", name, {}, [x(b, c, 5), x(c, 1, k)], "Y,S"
    yield f"{name}: dilated", name, {"dilation": 2}, [x(b, c, 5), x(c, 1, k), x(c), x(b, c, 2 * (k - 1))], "Y,S"
    yield f"{name}: channels last", name, {"channels_last": 1}, [x(b, 5, c), x(c, 1, k), x(c), x(b, k - 1, c)], "Y,S"
    given = [x(b, 5, 2, c), x(2 * c, 1, k), None, x(b, k - 1, 2, c)]
    yield f"{name}: channels last, two axes", name, {"channels_last": 1, "activation": "silu"}, given, "Y,S"
    name, h, v = "GatedDeltaNet", 2, 4
    given = [x(b, t, h, d), x(b, t, h, d, scale=0.25), x(b, t, v, e), None, -np.abs(x(b, t, v)), np.abs(x(b, t, v)) / 2, x(b, v, e, d)]
    yield name, name, {}, given, "Y,S"
    yield f"{name}: one axis of tokens", name, {"scale": 0.5}, [None if a is None else a.reshape(b * t, *a.shape[2:]) for a in given[:6]] + given[6:], "Y,S"
    gates = {"qk_l2_norm": 1, "beta_activation": "sigmoid"}
    yield f"{name}: softplus", name, gates | {"gate_activation": "softplus"}, given + [x(v), x(v)], "Y,S"
    yield f"{name}: sigmoid", name, gates | {"gate_activation": "sigmoid", "gate_lower_bound": -2.0}, given + [x(v), x(v)], "Y,S"
    given[4] = x(b, t, v, d)
    yield f"{name}: decay of features", name, gates | {"gate_activation": "kda"}, given + [x(v), x(v, d)], "Y,S"
    yield f"{name}: gated", name, {"update_rule": "gated"}, given[:4] + [-np.abs(x(b, t, v))] + [None] + given[6:7], "Y,S"


def sparse():
    """Two layouts of blocks of 16; the caches are buffers of 64 positions."""
    s, n, g, d, m = 40, 4, 2, 16, 64
    rows = i32(0, 1, 3, 5, 7, 0, 1, 3, 6, 10).reshape(2, 5)
    cols = i32(0, 0, 1, 1, 2, 1, 3, -1, -1, -1, 0, 0, 1, 0, 1, 2, 0, 1, 2, 3).reshape(2, 10)
    name, attrs = "SparseAttention", {"num_heads": n, "kv_num_heads": g, "sparse_block_size": 16}
    empty, buffers = [np.zeros((1, g, m, d), np.float32)] * 2, {"K": 3, "V": 4}
    prompt = [x(1, s, n * d), x(1, s, g * d), x(1, s, g * d), *empty, rows, cols, np.array(s, np.int32), i32(s)]
    yield name, name, attrs, prompt, "Y,K,V", buffers
    tables = [x(m, d // 2), x(m, d // 2)]
    yield f"{name}: rotary", name, attrs | {"do_rotary": 1, "scale": 0.3}, prompt + tables, "Y,K,V", buffers
    packed = [x(1, s, (n + 2 * g) * d), None, None] + prompt[3:]
    yield f"{name}: one tensor", name, attrs, packed, "Y,K,V", buffers
    full = [np.where(np.arange(m)[:, None] < s, x(2, g, m, d), np.float32(0)) for _ in range(2)]
    step = [x(2, 1, n * d), x(2, 1, g * d), x(2, 1, g * d), *full, rows, cols, np.array(s + 1, np.int32), i32(s + 1, s + 1)]
    yield f"{name}: next token", name, attrs | {"do_rotary": 1}, step + tables, "Y,K,V", buffers


def next_token():
    name, b, n, d, t = "DecoderMaskedMultiHeadAttention", 2, 2, 4, 3
    token = [x(b, 1, n * d) for _ in range(3)]
    past = [np.where(np.arange(6)[:, None] < t, x(b, n, 6, d), np.float32(0)) for _ in range(2)]
    attrs, buffers = {"num_heads": n, "past_present_share_buffer": 1}, {"K": 5, "V": 6}
    yield name, name, attrs, [*token, None, None, *past, i32(t)], "Y,K,V", buffers
    mask = np.array([[0, 1, 1, 1], [1, 1, 1, 1]], np.int32)
    given = [*token, mask, x(b, n, 1, t + 1), *past, i32(t), None, None, x(3 * n * d)]
    yield f"{name}: mask, bias", name, attrs | {"scale": 0.4}, given, "Y,K,V", buffers
    other = [x(b, n, t, d), x(b, n, t, d)]
    more, buffers = [x(b, 2, n * d) for _ in range(3)], {"K": 6, "V": 7}
    given = [*more, x(3 * n * d), None, None, *past, i32(t)]
    yield "MultiHeadAttention: into a buffer", "MultiHeadAttention", {"num_heads": n}, given, "Y,K,V", buffers
    yield "MultiHeadAttention: into a buffer, causal", "MultiHeadAttention", {"num_heads": n, "unidirectional": 1}, given, "Y,K,V", buffers
    square = np.tril(np.ones((b, 2, 2), np.int32))
    yield "MultiHeadAttention: mask of pairs", "MultiHeadAttention", {"num_heads": n}, [*more, None, square], "Y"
    yield f"{name}: cross attention", name, {"num_heads": n}, [token[0], *other], "Y"


def older():
    """Operators that ONNX has since, and what is like them."""
    a, b = x(2, 4, 3), x(2, 4, 5)
    yield "TransposeMatMul", "TransposeMatMul", {"transA": 1, "alpha": 0.5}, [a, b], "Y"
    graph = "t = Transpose <perm = [0, 2, 1]> (x0) m = MatMul (t, x1) Y = LeakyRelu <alpha = 0.25> (m)"
    attrs = {"transA": 1, "activation": "LeakyRelu", "activation_alpha": 0.25}
    yield "FusedMatMulActivation", "FusedMatMulActivation", attrs, [a, b], "Y", graph
    yield "Trilu", "Trilu", {"upper": 0}, [x(2, 3, 4), np.array(1)], "Y"
    yield "GatherND", "GatherND", {}, [x(2, 3, 4), np.array([[0, 1], [1, 2]])], "Y"
    yield "Range", "Range", {}, [np.array([1.0], np.float32), np.array([4.0], np.float32), np.array([0.5], np.float32)], "Y"
    yield "Range: by one", "Range", {}, [np.array(2), np.array(7)], "Y"
    yield "ExpandDims", "ExpandDims", {}, [x(2, 3), i32(-1)[0:1].reshape(())], "Y"
    yield "Pad", "Pad", {"mode": "constant"}, [x(2, 3), np.array([0, 1, 1, 2]), np.array([0.5], np.float32)], "Y"
    yield "Pad: a row of pads", "Pad", {"mode": "reflect"}, [x(2, 3), np.array([[0, 1, 1, 2]])], "Y"
    grid = rng.uniform(-1.2, 1.2, size=(1, 3, 2, 2)).astype(np.float32)
    yield "GridSample", "GridSample", {"mode": "bilinear", "padding_mode": "border"}, [x(1, 2, 4, 5), grid], "Y"
    yield "GridSample: bicubic", "GridSample", {"mode": "bicubic", "align_corners": 1}, [x(1, 2, 4, 5), grid], "Y"
    for metric in ("euclidean", "sqeuclidean"):
        yield f"CDist: {metric}", "CDist", {"metric": metric}, [x(3, 4), x(2, 4)], "Y"


def packed_weights():
    ids, segments = rng.integers(0, 7, size=(2, 5)).astype(np.int32), rng.integers(0, 2, size=(2, 5)).astype(np.int32)
    tables = [rng.integers(0, 256, size=s).astype(np.uint8) for s in ((7, 8), (6, 8), (2, 8), (8,), (8,))]
    scales = [np.array(s, np.float32) for s in (0.01, 0.02, 0.03, 0.005, 0.01)]
    zeros = [np.array(z, np.uint8) for z in (120, 130, 128, 3, 100)]
    mask = np.array([[1, 1, 1, 0, 0], [1, 1, 1, 1, 1]], np.int32)
    name = "QEmbedLayerNormalization"
    given = [ids, segments, *tables, mask, *scales, *zeros]
    yield name, name, {"epsilon": 1e-5}, given, "Y,M"
    for i in (1, 4, 10, 15):
        given[i] = None
    yield f"{name}: words only", name, {}, given, "Y,M"
    k, n, s = 32, 6, (2, 3)
    packed = lambda n: [rng.integers(0, 256, size=(n, 2, 8)).astype(np.uint8), (np.abs(x(n, 2)) + 0.125) * np.float32(0.0625), x(n)]
    product = "com.microsoft.MatMulNBits <K=32, N=%d, bits=4, block_size=16>"
    norm = "SimplifiedLayerNormalization <axis=-1, epsilon=1e-5>"
    mlp = f"G = {product % n} (A, x3, x4, , , x5) U = {product % n} (A, x6, x7) s = Sigmoid (G) g = Mul (G, s) Y = Mul (g, U)"
    attrs = {"K": k, "N": n, "bits": 4, "block_size": 16, "activation": "silu"}
    given = [x(*s, k), None, None, *packed(n), *packed(n)[:2]]
    yield "MatMulNBitsMlp", "MatMulNBitsMlp", attrs, given, "Y", f"A = Identity (x0) {mlp}"
    given[1:3] = x(*s, k), x(k)
    yield "MatMulNBitsMlp: residual", "MatMulNBitsMlp", attrs, given, "Y,S", f"S = Add (x0, x1) A = {norm} (S, x2) {mlp}"
    attrs = {"K": k, "Nq": n, "Nkv": 4, "bits": 4, "block_size": 16, "epsilon": 1e-5}
    given = [x(*s, k), None, x(k), *packed(n), *packed(4)[:2], None, *packed(4)]
    graph = f"A = {norm} (x0, x2) Q = {product % n} (A, x3, x4, , , x5) K = {product % 4} (A, x6, x7) V = {product % 4} (A, x9, x10, , , x11)"
    yield "MatMulNBitsQkv", "MatMulNBitsQkv", attrs, given, "Q,K,V", graph


def classic():
    """What scikit-learn's pipelines have around networks, or as such."""
    ml = lambda name: "ai.onnx.ml." + name
    data = x(4, 3)
    yield "Scaler", ml("Scaler"), {"offset": [0.5, -1.0, 0.25], "scale": [2.0, 0.5, 4.0]}, [data], "Y"
    yield "Scaler: one number, integers", ml("Scaler"), {"offset": [1.0], "scale": [0.5]}, [rng.integers(-5, 5, size=(2, 3))], "Y"
    rows = np.concatenate([x(3, 4), np.zeros((1, 4), np.float32)])
    for norm in ("L1", "L2", "MAX"):
        yield f"Normalizer: {norm}", ml("Normalizer"), {"norm": norm}, [rows], "Y"
    yield "Binarizer", ml("Binarizer"), {"threshold": 0.25}, [data], "Y"
    yield "ArrayFeatureExtractor", ml("ArrayFeatureExtractor"), {}, [data, np.array([2, 0])], "Z"
    yield "ArrayFeatureExtractor: a vector", ml("ArrayFeatureExtractor"), {}, [x(5), np.array([[4, 1]])], "Z"
    weights = [float(w) for w in x(6)]
    yield "LinearRegressor", ml("LinearRegressor"), {"coefficients": weights, "intercepts": [0.5, -1.0], "targets": 2}, [data], "Y"
    yield "LinearRegressor: one", ml("LinearRegressor"), {"coefficients": weights[:3], "intercepts": [0.5]}, [data], "Y"
    for how in ("NONE", "SOFTMAX", "LOGISTIC"):
        attrs = {"coefficients": [float(w) for w in x(9)], "intercepts": [0.5, -1.0, 0.25], "classlabels_ints": [3, 1, 2], "post_transform": how}
        yield f"LinearClassifier: {how}", ml("LinearClassifier"), attrs, [data], "Y,Z"
    names = {"coefficients": weights, "intercepts": [0.5, -1.0], "classlabels_strings": ["no", "yes"], "post_transform": "SOFTMAX"}
    yield "LinearClassifier: names", ml("LinearClassifier"), names, [data], "Y,Z"


def bucket(distance, both, buckets, far):
    """The bucket of T5's T5Attention._relative_position_bucket."""
    later = np.zeros_like(distance)
    if both:
        buckets //= 2
        later = (distance > 0) * buckets
        distance = np.abs(distance)
    else:
        distance = -np.minimum(distance, 0)
    exact = buckets // 2
    ratio = np.log(np.maximum(distance, 1).astype(np.float32) / exact) / np.log(far / exact)
    large = np.minimum(exact + (ratio * (buckets - exact)).astype(np.int64), buckets - 1)
    return later + np.where(distance < exact, distance, large)


def run(title, op, attrs, inputs, outputs, instead=None):
    if instead is None:
        return fused.run(title, op, attrs, inputs, outputs)
    if isinstance(instead, dict):
        return in_place(title, op, attrs, inputs, outputs, instead)
    names, domain = outputs.split(","), "com.microsoft"
    if "." in op:
        domain, op = op.rsplit(".", 1)
    node = helper.make_node(op, [], names, domain=domain, **attrs)
    if not isinstance(instead, np.ndarray):
        given = {f"x{i}": v for i, v in enumerate(inputs) if v is not None}
        types = {np.dtype("float32"): "float", np.dtype("int32"): "int32", np.dtype("int64"): "int64", np.dtype("uint8"): "uint8"}
        header = ", ".join(f"{types[v.dtype]}[{','.join(map(str, v.shape))}] {k}" for k, v in given.items())
        graph = onnx.parser.parse_graph(f"g ({header}) => ({', '.join(names)}) {{ {instead} }}")
        opsets = [helper.make_opsetid("", 24), helper.make_opsetid("com.microsoft", 1)]
        model = helper.make_model(graph, opset_imports=opsets, ir_version=10)
        session = ort.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
        got = session.run(names, {i.name: given[i.name] for i in session.get_inputs()})
    else:
        got = [instead]
    return {
        "name": title,
        "op": f"{domain}.{op}",
        "attrs": [attribute(a) for a in node.attribute],
        "in": [None if v is None else tensor(v) for v in inputs],
        "names": names,
        "out": [tensor(v) for v in got],
    }


def in_place(title, op, attrs, inputs, outputs, buffers):
    """Runs an operator whose outputs are written where inputs are."""
    names = outputs.split(",")
    given = {f"x{i}": v for i, v in enumerate(inputs) if v is not None}
    node = helper.make_node(op, [f"x{i}" if f"x{i}" in given else "" for i in range(len(inputs))], names, domain="com.microsoft", **attrs)
    elem = {k: helper.np_dtype_to_tensor_dtype(v.dtype) for k, v in given.items()}
    graph = helper.make_graph(
        [node], "g", [helper.make_tensor_value_info(k, elem[k], v.shape) for k, v in given.items()],
        [onnx.ValueInfoProto(name=name) for name in names],
    )  # fmt: skip
    opsets = [helper.make_opsetid("", 21), helper.make_opsetid("com.microsoft", 1)]
    model = helper.make_model(graph, opset_imports=opsets, ir_version=10)
    session = ort.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    values = {k: ort.OrtValue.ortvalue_from_numpy(v.copy()) for k, v in given.items()}
    binding = session.io_binding()
    for k, v in values.items():
        binding.bind_ortvalue_input(k, v)
    for name in names:
        if name in buffers:
            binding.bind_ortvalue_output(name, values[f"x{buffers[name]}"])
        else:
            binding.bind_output(name)
    session.run_with_iobinding(binding)
    return {
        "name": title,
        "op": "com.microsoft." + op,
        "attrs": [attribute(a) for a in node.attribute],
        "in": [None if v is None else tensor(v) for v in inputs],
        "names": names,
        "out": [tensor(v) for v in binding.copy_outputs_to_cpu()],
    }


if __name__ == "__main__":
    write(sys.argv[1], cases(), run)

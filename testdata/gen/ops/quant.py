"""Runs quantized operators in ONNX Runtime, with random inputs, for lxtc's to be compared with.

    pip install onnx==1.23.2 onnxruntime==1.32.0 numpy ml_dtypes
    python testdata/gen/ops/quant.py backend/reference/testdata/quant.jsonl.gz

The lines are those of nodes.py, the operator with its domain. Graph optimization is off, so that each operator is
computed by its own kernel; cases that ONNX Runtime cannot run are printed and left out.
"""

import gzip
import json
import sys

import ml_dtypes
import numpy as np
import onnx
import onnxruntime as ort
from onnx import helper

from nodes import attribute, tensor

ort.set_default_logger_severity(4)
rng = np.random.default_rng(11)


# Types that ONNX Runtime does not hand to NumPy, and those that hold them.
WIDE = {"int4": "int8", "uint4": "uint8"} | {f"float8_{kind}": "float32" for kind in ("e4m3fn", "e5m2", "e4m3fnuz", "e5m2fnuz")}


def x(*shape):
    """Multiples of 1/8, which pack well."""
    return (rng.integers(-16, 17, size=shape) / 8).astype(np.float32)


def u8(*shape):
    return rng.integers(0, 256, size=shape).astype(np.uint8)


def i8(*shape):
    return rng.integers(-127, 128, size=shape).astype(np.int8)


def scales(*shape):
    """Powers of two, with which no kernel rounds a half up and another down."""
    return np.asarray(2.0 ** rng.integers(-7, -4, size=shape), dtype=np.float32)


def s(value):
    return np.array(value, np.float32)


def z(value, dtype=np.uint8):
    return np.array(value, dtype)


def cases():
    yield from blocked()
    yield from packed()
    yield from products()
    yield from quantlinear()


def blocked():
    """DequantizeLinear and QuantizeLinear of every type, whole, along an axis, and in blocks."""
    kinds = {
        "int8": np.int8, "uint8": np.uint8, "int16": np.int16, "uint16": np.uint16, "int4": ml_dtypes.int4, "uint4": ml_dtypes.uint4,
    }
    for name, dtype in kinds.items():
        bits = int(name.strip("uint"))
        lo, hi = (0, 2**bits) if name[0] == "u" else (-(2 ** (bits - 1)), 2 ** (bits - 1))
        draw = lambda *shape: np.asarray(rng.integers(lo, hi, size=shape)).astype(dtype)
        grids = [("", {}, ()), (", axis 0", {"axis": 0}, (6,)), (", axis -1", {"axis": -1}, (4,))]
        grids += [(", blocks along axis 0", {"axis": 0, "block_size": 2}, (3, 4)), (", blocks along axis 1", {"axis": 1, "block_size": 2}, (6, 2))]
        for what, attrs, shape in grids:
            for points in (False, True):
                title = f"{name}{what}{', zero points' if points else ''}"
                zeros = [draw(*shape)] if points else []
                yield f"DequantizeLinear: {title}", "", "DequantizeLinear", attrs, [draw(6, 4), scales(*shape), *zeros], "Y"
                to = {} if points else {"output_dtype": helper.np_dtype_to_tensor_dtype(np.dtype(dtype))}
                if points or name not in WIDE:
                    yield f"QuantizeLinear: {title}", "", "QuantizeLinear", attrs | to, [x(6, 4), scales(*shape), *zeros], "Y"
                if bits in (8, 16, 4) and "block" not in what and points:
                    yield f"DequantizeLinear of ONNX Runtime: {title}", "com.microsoft", "DequantizeLinear", attrs, [draw(6, 4), scales(*shape), *zeros], "Y"
                    yield f"QuantizeLinear of ONNX Runtime: {title}", "com.microsoft", "QuantizeLinear", attrs, [x(6, 4), scales(*shape), *zeros], "Y"
    for grid in ([5], [5, 1]):  # a vector in blocks, and a matrix in blocks of which the last is not full
        attrs = {"axis": 0, "block_size": 2}
        by = scales(3, *grid[1:])
        yield f"DequantizeLinear: blocks of {grid}", "", "DequantizeLinear", attrs, [i8(*grid), by], "Y"
        yield f"QuantizeLinear: blocks of {grid}", "", "QuantizeLinear", attrs, [x(*grid), by, i8(*by.shape)], "Y"
    for name in ("float8_e4m3fn", "float8_e5m2", "float8_e4m3fnuz", "float8_e5m2fnuz"):
        dtype = getattr(ml_dtypes, name)
        for what, attrs, shape in [("", {}, ()), (", axis 1", {"axis": 1}, (4,))]:
            yield f"DequantizeLinear: {name}{what}", "", "DequantizeLinear", attrs, [x(6, 4).astype(dtype), scales(*shape)], "Y"
            yield f"QuantizeLinear: {name}{what}", "", "QuantizeLinear", attrs, [x(6, 4), scales(*shape), np.zeros(shape, dtype)], "Y"


def packed():
    """Weights in blocks, in what layouts ONNX Runtime has for them, with sizes that leave rests."""
    name = "MatMulNBits"
    for bits in (2, 4, 8):
        for k, block in [(32, 16), (40, 16), (48, 32)]:
            n, blocks = 5, -(-k // block)
            b = u8(n, blocks, block * bits // 8)
            attrs = {"K": k, "N": n, "bits": bits, "block_size": block}
            zeros = u8(n, -(-blocks * bits // 8))
            title = f"{name}: {bits} bits, {k} in blocks of {block}"
            yield title, "com.microsoft", name, attrs, [x(3, k), b, scales(n, blocks)], "Y"
            yield title + ", zero points", "com.microsoft", name, attrs, [x(3, k), b, scales(n, blocks), zeros], "Y"
            if bits < 8:
                yield title + ", zero points of floats", "com.microsoft", name, attrs, [x(3, k), b, scales(n, blocks), x(n, blocks) + 2], "Y"
            if bits == 4:  # with others ONNX Runtime reads no g_idx; with one, no zero points, and of a block's indices the first 8
                order = np.repeat(rng.permutation(blocks), block).astype(np.int32)
                yield title + ", order of blocks", "com.microsoft", name, attrs, [x(3, k), b, scales(n, blocks), None, order], "Y"
            yield title + ", bias", "com.microsoft", name, attrs, [x(2, 3, k), b, scales(n, blocks), zeros, None, x(n)], "Y"
    name = "MatMulBnb4"
    for n, k, block in [(4, 24, 16), (3, 40, 32), (5, 64, 64)]:
        for kind in (0, 1):
            attrs = {"K": k, "N": n, "quant_type": kind, "block_size": block}
            yield f"{name}: {['FP4', 'NF4'][kind]}, {n} by {k} in blocks of {block}", "com.microsoft", name, attrs, [x(2, 3, k), u8(-(-n * k // 2)), scales(-(-n * k // block))], "Y"
    name, ids = "GatherBlockQuantized", np.array([[3, 0], [1, 4]], dtype=np.int64)
    for kind in (ml_dtypes.uint4, ml_dtypes.int4):
        lo = 0 if kind is ml_dtypes.uint4 else -8
        draw = lambda *shape: rng.integers(lo, lo + 16, size=shape).astype(kind)
        for gather, quantize, shape in [(0, 1, (5, 32)), (1, 0, (32, 5)), (0, 2, (5, 2, 32)), (1, 2, (2, 5, 32)), (0, 0, (32, 5))]:
            grid = [-(-d // 16) if i == quantize else d for i, d in enumerate(shape)]
            attrs = {"gather_axis": gather, "quantize_axis": quantize, "block_size": 16}
            title = f"{name}: {np.dtype(kind)}, axis {gather} of {list(shape)}, blocks along {quantize}"
            yield title, "com.microsoft", name, attrs, [draw(*shape), ids, scales(*grid)], "Y"
            yield title + ", zero points", "com.microsoft", name, attrs, [draw(*shape), ids, scales(*grid), draw(*grid)], "Y"
    for bits in (2, 4, 8):
        for columns in (32, 48):
            attrs = {"bits": bits, "gather_axis": 0, "quantize_axis": 1, "block_size": 16}
            table, grid = u8(5, columns * bits // 8), (5, columns // 16)
            title = f"{name}: {bits} bits in bytes, {columns} columns"
            yield title, "com.microsoft", name, attrs, [table, ids, scales(*grid)], "Y"
            yield title + ", zero points", "com.microsoft", name, attrs, [table, ids, scales(*grid), u8(5, -(-grid[1] * bits // 8))], "Y"


def products():
    """Integers times integers."""
    a, w = u8(3, 8), i8(8, 4)
    yield "MatMulInteger", "", "MatMulInteger", {}, [a, w], "Y"
    yield "MatMulInteger: zero points", "", "MatMulInteger", {}, [a, w, z(120), z(3, np.int8)], "Y"
    yield "MatMulInteger: a zero point for each column", "", "MatMulInteger", {}, [u8(2, 3, 8), w, z(120), i8(4)], "Y"
    yield "ConvInteger", "", "ConvInteger", {"pads": [1, 1, 1, 1]}, [u8(1, 2, 5, 5), u8(3, 2, 3, 3), z(17)], "Y"
    name = "MatMulIntegerToFloat"
    yield name, "com.microsoft", name, {}, [u8(3, 8), w, s(0.25), s(0.125), z(120)], "Y"
    yield name + ": columns, bias", "com.microsoft", name, {}, [u8(2, 3, 8), w, s(0.25), scales(4), z(120), i8(4), x(4)], "Y"
    name = "DynamicQuantizeMatMul"
    yield name, "com.microsoft", name, {}, [x(3, 8), w, s(0.125)], "Y"
    yield name + ": columns, bias", "com.microsoft", name, {}, [x(2, 3, 8), w, scales(4), i8(4), x(4)], "Y"
    name, bias = "QGemm", rng.integers(-500, 500, size=4).astype(np.int32)
    yield name, "com.microsoft", name, {"transB": 1}, [u8(3, 8), s(0.25), z(120), i8(4, 8), s(0.125), z(0, np.int8), bias, s(4), z(128)], "Y"
    yield name + ": columns", "com.microsoft", name, {"transB": 1}, [u8(3, 8), s(0.25), z(120), i8(4, 8), scales(4), np.zeros(4, np.int8), bias, s(4), z(128)], "Y"
    yield name + ": float", "com.microsoft", name, {"alpha": 0.5}, [u8(3, 8), s(0.25), z(120), i8(8, 4), s(0.125), z(0, np.int8)], "Y"
    conv = [u8(1, 2, 5, 5), s(0.25), z(17), i8(3, 2, 3, 3), scales(3), np.zeros(3, np.int8), s(4), z(100)]
    bias = rng.integers(-500, 500, size=3).astype(np.int32)
    yield "QLinearConv: channels, bias", "", "QLinearConv", {"pads": [1, 1, 1, 1]}, conv + [bias], "Y"
    yield "QLinearConv: groups", "", "QLinearConv", {"group": 2, "strides": [2, 2]}, [u8(1, 2, 5, 5), s(0.25), z(17), i8(2, 1, 3, 3), s(0.125), z(0, np.int8), s(4), z(100)], "Y"
    last = [conv[0].transpose(0, 2, 3, 1).copy(), *conv[1:], bias]
    yield "QLinearConv of ONNX Runtime: channels last", "com.microsoft", "QLinearConv", {"pads": [1, 1, 1, 1], "channels_last": 1}, last, "Y"
    yield "QLinearMatMul: columns", "", "QLinearMatMul", {}, [u8(2, 3, 8), s(0.25), z(120), i8(8, 4), scales(4), np.zeros(4, np.int8), s(4), z(128)], "Y"
    name = "QAttention"
    given = [u8(2, 4, 8), i8(8, 24), x(24), s(0.015625), s(0.015625)]
    mask = np.array([[1, 1, 1, 0], [1, 1, 1, 1]], dtype=np.int32)
    yield name, "com.microsoft", name, {"num_heads": 2}, given + [None, z(120), z(0, np.int8)], "Y"
    yield name + ": columns, mask, causal", "com.microsoft", name, {"num_heads": 2, "unidirectional": 1}, given[:4] + [scales(24) / 4, mask, z(120), np.zeros(24, np.int8)], "Y"


def quantlinear():
    """Operators between dequantizations and a quantization."""
    one = lambda shape: [u8(*shape), s(0.0625), z(120)]
    to = [s(0.125), z(100)]
    for name in ("QLinearAdd", "QLinearMul"):
        yield name, "com.microsoft", name, {}, one((2, 3, 4)) + [u8(2, 3, 4), s(0.03125), z(90)] + to, "Y"
        yield name + ": broadcast", "com.microsoft", name, {}, one((2, 3, 4)) + [u8(4), s(0.03125), z(90)] + to, "Y"
    # Functions of few values: each has one way to round, or nearly.
    yield "QLinearSigmoid", "com.microsoft", "QLinearSigmoid", {}, one((2, 3, 4)) + [s(1 / 256), z(0)], "Y"
    yield "QLinearLeakyRelu", "com.microsoft", "QLinearLeakyRelu", {"alpha": 0.125}, one((2, 3, 4)) + to, "Y"
    yield "QLinearSoftmax", "com.microsoft", "QLinearSoftmax", {"axis": -1, "opset": 13}, one((2, 3, 4)) + [s(1 / 256), z(0)], "Y"
    pool = {"kernel_shape": [2, 2], "strides": [2, 2]}
    yield "QLinearAveragePool", "com.microsoft", "QLinearAveragePool", pool, one((1, 2, 4, 6)) + to, "Y"
    yield "QLinearAveragePool: channels last", "com.microsoft", "QLinearAveragePool", pool | {"channels_last": 1}, one((1, 4, 6, 2)) + to, "Y"
    yield "QLinearGlobalAveragePool", "com.microsoft", "QLinearGlobalAveragePool", {}, one((1, 2, 4, 4)) + to, "Y"
    yield "QLinearGlobalAveragePool: channels last", "com.microsoft", "QLinearGlobalAveragePool", {"channels_last": 1}, one((1, 4, 4, 2)) + to, "Y"
    mask = rng.integers(0, 2, size=(2, 1, 4)).astype(bool)
    yield "QLinearWhere", "com.microsoft", "QLinearWhere", {}, [mask, *one((2, 3, 4)), u8(4), s(0.03125), z(90), *to], "Y"
    yield "QLinearConcat", "com.microsoft", "QLinearConcat", {"axis": 1}, [*to, *one((2, 3)), u8(2, 2), s(0.25), z(90)], "Y"


def run(title, domain, op, attrs, inputs, outputs):
    names = ["" if v is None else f"x{i}" for i, v in enumerate(inputs)]
    node = helper.make_node(op, names, [outputs], domain=domain, **attrs)
    given = {name: v for name, v in zip(names, inputs) if name}
    elem = {name: helper.np_dtype_to_tensor_dtype(v.dtype) for name, v in given.items()}
    fed = {name for name, v in given.items() if v.dtype.name in ("float32", "uint8", "bool") and name in names[:2]}
    if domain and op in ("MatMulNBits", "MatMulBnb4", "GatherBlockQuantized"):
        fed -= {"x1"} if op[0] == "M" else {"x0"}
    small = inputs[-1].dtype if op == "QuantizeLinear" and inputs[-1].dtype.name in WIDE else None
    nodes = [node]
    if small is not None:  # of a type that leaves ONNX Runtime through a Cast only
        nodes.append(helper.make_node("Cast", [outputs], ["wide"], to=helper.np_dtype_to_tensor_dtype(np.dtype(WIDE[small.name]))))
    graph = helper.make_graph(
        nodes,
        "g",
        [helper.make_tensor_value_info(name, elem[name], given[name].shape) for name in sorted(fed)],
        [onnx.ValueInfoProto(name=nodes[-1].output[0])],
        [onnx.numpy_helper.from_array(v, name) for name, v in given.items() if name not in fed],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 21), helper.make_opsetid("com.microsoft", 1)], ir_version=10)
    options = ort.SessionOptions()
    options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_DISABLE_ALL
    options.log_severity_level = 4
    session = ort.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
    (value,) = session.run(None, {name: given[name] for name in fed})
    return {
        "name": title,
        "op": f"{domain}.{op}" if domain else op,
        "attrs": [attribute(a) for a in node.attribute],
        "in": [None if v is None else tensor(v) for v in inputs],
        "names": [outputs],
        "out": [tensor(value if small is None else value.astype(small))],
    }


def main(path):
    lines, failed = [], 0
    for c in cases():
        try:
            lines.append(json.dumps(run(*c), separators=(",", ":")))
        except Exception as why:  # of any kind: the checker's or the runtime's
            failed += 1
            print(f"{c[0]}: {str(why).strip().splitlines()[0][:160]}")
    with open(path, "wb") as f, gzip.GzipFile(filename="", fileobj=f, mode="wb", mtime=0) as archive:
        archive.write(("\n".join(lines) + "\n").encode())
    print(f"{len(lines)} cases, {failed} that ONNX Runtime does not run")


if __name__ == "__main__":
    main(sys.argv[1])

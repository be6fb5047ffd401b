"""Runs Conv, ConvTranspose, the pools and Resize in ONNX Runtime with random attributes.

    pip install onnx==1.23.2 onnxruntime==1.32.0 numpy ml_dtypes
    python testdata/gen/ops/windows.py backend/reference/testdata/windows.jsonl.gz

The inputs are small integers, so that maxima tie. What ONNX Runtime refuses is left out, and so are windows that
exceed the padded input, of which it makes an empty tensor. The lines are those of nodes.py.
"""

import gzip
import json
import sys

import numpy as np
import onnx
import onnxruntime as ort
from onnx import helper

from nodes import attribute, tensor

ROUNDS = 50
COORDINATES = ["half_pixel", "half_pixel_symmetric", "pytorch_half_pixel", "align_corners", "asymmetric", "tf_crop_and_resize"]

ort.set_default_logger_severity(4)
rng = np.random.default_rng(24)


def pick(*options):
    return options[rng.integers(len(options))]


def numbers(count, low, high):
    return [int(n) for n in rng.integers(low, high + 1, count)]


def values(*shape):
    return rng.integers(-4, 5, shape).astype(np.float32)


def maybe(*inputs):
    return list(inputs) if rng.random() < 0.5 else []


def run(name, op, attrs, inputs, outputs=1):
    names = [f"x{i}" if v is not None else "" for i, v in enumerate(inputs)]
    outs = [f"y{i}" for i in range(outputs)]
    node = helper.make_node(op, names, outs, **attrs)
    feed = {n: v for n, v in zip(names, inputs) if v is not None}
    graph = helper.make_graph(
        [node],
        "g",
        [helper.make_tensor_value_info(n, helper.np_dtype_to_tensor_dtype(v.dtype), v.shape) for n, v in feed.items()],
        [onnx.ValueInfoProto(name=o) for o in outs],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 22)], ir_version=10)
    try:
        session = ort.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
        result = session.run(None, feed)
    except Exception as e:
        print(f"{name}: {str(e)[:120]}")
        return None
    if any(v.size == 0 for v in result):
        return None
    return {
        "name": name,
        "op": op,
        "attrs": [attribute(a) for a in node.attribute],
        "in": [tensor(v) if v is not None else None for v in inputs],
        "names": outs,
        "out": [tensor(v) for v in result],
    }


def exceeds(attrs, space):
    rank = len(space)
    pads = attrs.get("pads", [0] * 2 * rank)
    dilations = attrs.get("dilations", [1] * rank)
    return any(
        (attrs["kernel_shape"][i] - 1) * dilations[i] + 1 > space[i] + pads[i] + pads[rank + i] for i in range(rank)
    )


def windows(i):
    rank, group = pick(1, 2, 2, 3), pick(1, 1, 2, 3)
    space, kernel = numbers(rank, 4, 7), numbers(rank, 1, 4)
    channels, filters = group * pick(1, 2), group * pick(1, 2)
    auto = pick("NOTSET", "NOTSET", "SAME_UPPER", "SAME_LOWER", "VALID")
    same = auto.startswith("SAME")
    moves = {"strides": numbers(rank, 1, 3), "dilations": [1] * rank if same else numbers(rank, 1, 2)}
    where = {"auto_pad": auto} if auto != "NOTSET" else {"pads": numbers(2 * rank, 0, 2)}
    x = values(1, channels, *space)

    attrs = {**moves, **where, "group": group}
    if same or not exceeds({**attrs, "kernel_shape": kernel}, space):
        yield run(f"Conv {i}", "Conv", attrs, [x, values(filters, channels // group, *kernel)] + maybe(values(filters)))

    if rng.random() < 0.4:
        attrs["output_padding"] = [int(rng.integers(0, s)) for s in moves["strides"]]
    elif auto == "NOTSET" and rng.random() < 0.5:
        attrs = {**moves, "group": group, "auto_pad": pick("NOTSET", "SAME_UPPER", "SAME_LOWER")}
        attrs["output_shape"] = [
            (d - 1) * s + (k - 1) * dil + 1 - int(rng.integers(0, 2))
            for d, s, k, dil in zip(space, moves["strides"], kernel, moves["dilations"])
        ]
    weights = values(channels, filters // group, *kernel)
    yield run(f"ConvTranspose {i}", "ConvTranspose", attrs, [x, weights] + maybe(values(filters)))

    attrs = {"kernel_shape": numbers(rank, 2, 4), "strides": moves["strides"], **where}
    if auto == "NOTSET":
        attrs["pads"] = [int(rng.integers(0, k)) for k in attrs["kernel_shape"] * 2]
    if rng.random() < 0.5:
        attrs["ceil_mode"] = 1
    if rng.random() < 0.5 and not same:
        attrs["dilations"] = moves["dilations"]
    if not same and exceeds(attrs, space):
        return
    yield run(f"MaxPool {i}", "MaxPool", {**attrs, "storage_order": int(rng.random() < 0.3)}, [x], pick(1, 2))
    yield run(f"AveragePool {i}", "AveragePool", {**attrs, "count_include_pad": int(rng.integers(0, 2))}, [x])
    yield run(f"LpPool {i}", "LpPool", {**attrs, "p": pick(1, 2, 3)}, [x])


def resize(i):
    attrs = {"mode": pick("nearest", "linear", "cubic"), "coordinate_transformation_mode": COORDINATES[i % 6]}
    roi = None
    if attrs["coordinate_transformation_mode"] == "tf_crop_and_resize":
        attrs["extrapolation_value"] = 7.0
        roi = np.array([0, 0, 0.125, -0.25, 1, 1, 0.75, 1.25], np.float32)
    elif attrs["mode"] != "nearest" and rng.random() < 0.3:
        attrs["antialias"] = 1
    if attrs["mode"] == "nearest":
        attrs["nearest_mode"] = pick("round_prefer_floor", "round_prefer_ceil", "floor", "ceil")
    if attrs["mode"] == "cubic":
        attrs["cubic_coeff_a"] = pick(-0.75, -0.5)
        attrs["exclude_outside"] = int(rng.integers(0, 2))
    x = values(1, 1, *numbers(2, 3, 8))
    if rng.random() < 0.5:
        scales = np.array([1, 1, pick(0.5, 0.6, 0.7, 1.3, 1.5, 2, 3), pick(0.5, 0.8, 1, 1.5, 2, 2.5)], np.float32)
        yield run(f"Resize {i}", "Resize", attrs, [x, roi, scales])
    else:
        sizes = np.array([1, 1] + numbers(2, 2, 15), np.int64)
        yield run(f"Resize {i}", "Resize", attrs, [x, roi, None, sizes])


def main(path):
    cases = [c for i in range(ROUNDS) for c in windows(i)] + [c for i in range(3 * ROUNDS) for c in resize(i)]
    lines = [json.dumps(c, separators=(",", ":")) for c in cases if c]
    with open(path, "wb") as f, gzip.GzipFile(filename="", fileobj=f, mode="wb", mtime=0) as z:
        z.write(("\n".join(lines) + "\n").encode())
    print(f"{len(lines)} cases")


if __name__ == "__main__":
    main(sys.argv[1])

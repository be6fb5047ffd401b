"""A layer perceptron in the three spellings of 8 bits, with straight-through relevance in float64.

    pip install onnx==1.23.2 numpy
    python testdata/gen/golden/quantized.py testdata/onnx/quantized

Writes qdq.onnx, qlinear.onnx and dynamic.onnx, and quantized.json with inputs and relevance of each: in explicit form
with the epsilon rule, epsilon 1e-9, and in gradient form. Relevance passes a quantization unchanged; a gradient does
between the ends of its range, and beyond them it is multiplied by y/x.
"""

import json
import pathlib
import sys

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

rng = np.random.default_rng(5)
EPS = 1e-9
SIZES = [12, 16, 5]
TARGET = 3


def weights():
    layers = []
    for n, m in zip(SIZES, SIZES[1:]):
        scale = (2.0 ** rng.uniform(-8, -6, size=m)).astype(np.float32)
        layers.append((rng.integers(-127, 128, size=(n, m)).astype(np.int8), scale, rng.integers(-400, 400, size=m).astype(np.int32)))
    return layers


class Quantization:
    """x in steps of scale; the range ends where uint8 does."""

    def __init__(self, scale, zero):
        self.scale, self.zero = scale, zero

    def __call__(self, x):
        steps = np.round((x.astype(np.float32) / np.float32(self.scale)).astype(np.float64))
        y = (np.clip(steps + self.zero, 0, 255) - self.zero) * self.scale
        inside = np.abs(steps * self.scale - y) < 0.5 * self.scale
        return y, np.where(inside, 1, y / np.where(x == 0, 1, x))


def dynamic(x):
    lo, hi = np.float32(min(x.min(), 0)), np.float32(max(x.max(), 0))
    scale = np.float32((hi - lo) / np.float32(255))
    return Quantization(float(scale), float(np.clip(np.round(np.float32(-lo) / scale), 0, 255)))


def relevance(x, layers, quantizations, bias, last):
    """Explicit and gradient form, of TARGET in the last of the rows."""
    tape = []
    for i, (w, scale, b) in enumerate(layers):
        q = quantizations[i] if quantizations else dynamic(x)
        y, slope = q(x)
        w = w.astype(np.float64) * scale
        z = y @ w + bias(i, q)
        tape.append((x, y, slope, w, z))
        x = np.maximum(z, 0) if i + 1 < len(layers) else z
    seed = np.zeros_like(z)
    seed[-1, TARGET] = 1
    if last:
        x, slope = last(z)
        seed *= slope
    r, g = np.where(seed != 0, x, 0), seed
    for i, (x, y, slope, w, z) in reversed(list(enumerate(tape))):
        if i + 1 < len(tape):
            g = g * (z > 0)
        r = y * ((r / (z + EPS)) @ w.T)
        g = (g @ w.T) * slope
    return r, tape[0][0] * g


def main(out):
    out.mkdir(parents=True, exist_ok=True)
    layers = weights()
    x = (rng.normal(size=(3, SIZES[0])) * 1.5).astype(np.float32)
    static = [Quantization(float(np.float32(0.017)), 131.0), Quantization(float(np.float32(0.03)), 0.0)]
    end = Quantization(float(np.float32(0.05)), 120.0)
    of_input = lambda i, q: layers[i][2] * (q.scale * layers[i][1].astype(np.float64))
    of_itself = lambda i, q: layers[i][2] * np.float64(0.005)
    none = lambda i, q: 0.0
    cases = {
        "qdq": (qdq(layers, static), relevance(x.astype(np.float64), layers, static, of_input, None)),
        "qlinear": (qlinear(layers, static, end), relevance(x.astype(np.float64), layers, static, none, end)),
        "dynamic": (in_place(layers), relevance(x.astype(np.float64), layers, None, of_itself, None)),
    }
    lines = {"x": x.tolist(), "target": [2, TARGET]}
    for name, (model, (explicit, gradient)) in cases.items():
        onnx.save(model, out / f"{name}.onnx")
        lines[name] = {"explicit": explicit.tolist(), "gradient": gradient.tolist()}
    (out / "quantized.json").write_text(json.dumps(lines) + "\n")


class Graph:
    def __init__(self):
        self.nodes, self.constants = [], []

    def const(self, name, value):
        self.constants.append(numpy_helper.from_array(np.asarray(value), name))
        return name

    def op(self, op, inputs, outputs, **attrs):
        self.nodes.append(helper.make_node(op, inputs, outputs, **attrs))
        return outputs[0]

    def model(self):
        graph = helper.make_graph(
            self.nodes, "g",
            [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["N", SIZES[0]])],
            [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["N", SIZES[-1]])],
            self.constants,
        )
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8, producer_name="quantized.py")
        onnx.checker.check_model(model)
        return model

    def quantization(self, name, q):
        return [self.const(name + "_scale", np.float32(q.scale)), self.const(name + "_zero", np.uint8(q.zero))]


def qdq(layers, static):
    """Float operators between QuantizeLinear and DequantizeLinear."""
    g, h = Graph(), "x"
    for i, (w, scale, b) in enumerate(layers):
        q = g.quantization(f"x{i}", static[i])
        h = g.op("DequantizeLinear", [g.op("QuantizeLinear", [h, *q], [f"q{i}"]), *q], [f"d{i}"])
        s = g.const(f"w{i}_scale", scale)
        v = g.op("DequantizeLinear", [g.const(f"w{i}", w), s, g.const(f"w{i}_zero", np.zeros(len(scale), np.int8))], [f"v{i}"], axis=1)
        bias = g.op("DequantizeLinear", [g.const(f"b{i}", b), g.const(f"b{i}_scale", scale * np.float32(static[i].scale))], [f"c{i}"], axis=0)
        last = i + 1 == len(layers)
        h = g.op("Gemm", [h, v, bias], ["y" if last else f"z{i}"])
        if not last:
            h = g.op("Relu", [h], [f"h{i}"])
    return g.model()


def qlinear(layers, static, end):
    """Operators on integers. The quantization of a hidden layer, of which 0 is the zero point, is its Relu."""
    g = Graph()
    params = [g.quantization(f"x{i}", q) for i, q in enumerate(static)] + [g.quantization("end", end)]
    h = g.op("QuantizeLinear", ["x", *params[0]], ["q0"])
    for i, (w, scale, _) in enumerate(layers):
        own = [g.const(f"w{i}", w), g.const(f"w{i}_scale", scale), g.const(f"w{i}_zero", np.zeros(len(scale), np.int8))]
        h = g.op("QLinearMatMul", [h, *params[i], *own, *params[i + 1]], [f"q{i + 1}"])
    g.op("DequantizeLinear", [h, *params[-1]], ["y"])
    return g.model()


def in_place(layers):
    """DynamicQuantizeLinear, MatMulInteger, Cast, Mul, Add."""
    g, h = Graph(), "x"
    for i, (w, scale, b) in enumerate(layers):
        g.op("DynamicQuantizeLinear", [h], [f"q{i}", f"s{i}", f"z{i}"])
        p = g.op("MatMulInteger", [f"q{i}", g.const(f"w{i}", w), f"z{i}"], [f"p{i}"])
        k = g.op("Mul", [f"s{i}", g.const(f"w{i}_scale", scale)], [f"k{i}"])
        h = g.op("Mul", [g.op("Cast", [p], [f"f{i}"], to=TensorProto.FLOAT), k], [f"m{i}"])
        last = i + 1 == len(layers)
        h = g.op("Add", [h, g.const(f"b{i}", (b * 0.005).astype(np.float32))], ["y" if last else f"a{i}"])
        if not last:
            h = g.op("Relu", [h], [f"h{i}"])
    return g.model()


if __name__ == "__main__":
    main(pathlib.Path(sys.argv[1]))

"""Rewrites an export so that it says the same as other exporters do. Opset 17, batch normalization kept.

apart          biases and batch normalizations are products and sums of their own, ReLU6 is Min and Max, a hard
               sigmoid is a Clip: frozen TensorFlow graphs, Caffe2, mobile converters
channels_last  every spatial operator stands between two Transposes, and what is done element by element has the
               channels last: tf2onnx
"""

import numpy as np
import onnx
from onnx import helper, numpy_helper

POOLS = {"MaxPool", "AveragePool", "GlobalAveragePool"}
ELEMENTWISE = {"Relu", "Clip", "HardSwish", "HardSigmoid", "Sigmoid", "LeakyRelu", "Elu", "Softplus", "Tanh"}


class Graph:
    """A model read node by node and written anew."""

    def __init__(self, path):
        self.model, self.nodes, self.new = onnx.load(path), [], {}
        self.constants = {t.name: numpy_helper.to_array(t) for t in self.model.graph.initializer}
        for n in self.model.graph.node:
            if n.op_type == "Constant":
                self.constants[n.output[0]] = numpy_helper.to_array(n.attribute[0].t)
            if n.op_type == "Identity" and n.input[0] in self.constants:  # weights that are shared
                self.constants[n.output[0]] = self.constants[n.input[0]]

    def read(self):
        for n in self.model.graph.node:
            if n.output[0] not in self.constants:
                yield n, n.output[0], {a.name: helper.get_attribute_value(a) for a in n.attribute}

    def const(self, a):
        name = f"constant_{len(self.new)}"
        self.new[name] = np.ascontiguousarray(a)
        return name

    def op(self, kind, inputs, out=None, **attributes):
        out = out or f"value_{len(self.nodes)}"
        self.nodes.append(helper.make_node(kind, inputs, [out], name=f"{kind}_{len(self.nodes)}", **attributes))
        return out

    def dense(self, n, x, out, attributes):
        w = self.constants[n.input[1]]
        y = self.op("MatMul", [x, self.const(w.T if attributes.get("transB") else w)])
        self.op("Add", [y, n.input[2]], out)

    def norm(self, n, attributes):
        """Batch normalization as a scale and a shift."""
        scale, shift, mean, variance = (self.constants[i] for i in n.input[1:])
        scale = scale / np.sqrt(variance + np.float32(attributes.get("epsilon", 1e-5)))
        return scale, shift - mean * scale

    def save(self, path):
        g = self.model.graph
        used = {i for n in self.nodes for i in n.input}
        kept = [numpy_helper.from_array(a, k) for k, a in (self.constants | self.new).items() if k in used]
        inputs = [i for i in g.input if i.name not in self.constants]
        graph = helper.make_graph(self.nodes, "respelled", inputs, g.output, kept)
        model = helper.make_model(graph, opset_imports=self.model.opset_import, ir_version=8)
        onnx.checker.check_model(model)
        onnx.save(model, path)


def apart(source, path):
    g = Graph(source)
    ranks = {v.name: len(v.type.tensor_type.shape.dim) for v in onnx.shape_inference.infer_shapes(g.model).graph.value_info}
    for n, out, a in g.read():
        x = n.input[0]
        column = lambda v: g.const(v.reshape(-1, *[1] * (ranks[x] - 2)))
        number = lambda v: g.const(np.float32(v))
        if n.op_type in ("Conv", "ConvTranspose") and len(n.input) > 2:
            y = g.op(n.op_type, n.input[:2], **a)
            g.op("Add", [y, g.const(g.constants[n.input[2]].reshape(1, -1, 1, 1))], out)
        elif n.op_type == "BatchNormalization":
            scale, shift = g.norm(n, a)
            g.op("Add", [g.op("Mul", [x, column(scale)]), column(shift)], out)
        elif n.op_type == "Gemm":
            g.dense(n, x, out, a)
        elif n.op_type == "Clip":
            low, high = (g.constants[i] for i in n.input[1:])
            g.op("Min", [g.op("Max", [x, number(low)]), number(high)], out)
        elif n.op_type == "HardSigmoid":
            y = g.op("Clip", [g.op("Add", [x, number(3)]), number(0), number(6)])
            g.op("Mul", [y, number(1 / 6)], out)
        elif n.op_type == "HardSwish":
            y = g.op("Max", [g.op("Add", [x, number(3)]), number(0)])
            g.op("Mul", [g.op("Mul", [x, g.op("Min", [y, number(6)])]), number(1 / 6)], out)
        else:
            g.nodes.append(n)
    g.save(path)


def channels_last(source, path):
    g, last = Graph(source), {}
    to_last = lambda v: g.op("Transpose", [v], perm=[0, 2, 3, 1])
    to_first = lambda v: g.op("Transpose", [last[v]], perm=[0, 3, 1, 2]) if v in last else v
    for n, out, a in g.read():
        x = n.input[0]
        if n.op_type in ("Conv", "ConvTranspose"):
            y = to_last(g.op(n.op_type, [to_first(x), n.input[1]], **a))
            last[out] = g.op("Add", [y, n.input[2]]) if len(n.input) > 2 else y
        elif n.op_type in POOLS:
            last[out] = to_last(g.op(n.op_type, [to_first(x)], **a))
        elif n.op_type == "BatchNormalization" and x in last:
            scale, shift = g.norm(n, a)
            last[out] = g.op("Add", [g.op("Mul", [last[x], g.const(scale)]), g.const(shift)])
        elif n.op_type in ELEMENTWISE and x in last:
            last[out] = g.op(n.op_type, [last[x], *n.input[1:]], **a)
        elif n.op_type in ("Add", "Mul") and all(i in last for i in n.input):
            last[out] = g.op(n.op_type, [last[i] for i in n.input])
        elif n.op_type == "Concat" and all(i in last for i in n.input):
            last[out] = g.op("Concat", [last[i] for i in n.input], axis=3)
        elif n.op_type == "Gemm":
            g.dense(n, to_first(x), out, a)
        else:
            g.nodes.append(helper.make_node(n.op_type, [to_first(i) for i in n.input], [out], name=n.name, **a))
    g.save(path)

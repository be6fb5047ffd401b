"""Makes the models of this folder: one for each old spelling of an operator, and
a few of the shapes that files come in. Needs onnx; run it in this folder."""

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

MODELS = {
    # name: (ai.onnx version, text of the graph)
    "squeeze_11": (11, "g (float[2,1,3] x) => (float[2,3] y) { y = Squeeze <axes = [1]> (x) }"),
    "unsqueeze_11": (11, "g (float[2,3] x) => (float[1,2,3,1] y) { y = Unsqueeze <axes = [0, 3]> (x) }"),
    "reduce_17": (17, "g (float[2,3,4] x) => (float[2,4] y, float[2,1,1] z) {"
                      " y = ReduceMean <axes = [1], keepdims = 0> (x) z = ReduceL2 <axes = [1, 2]> (x) }"),
    "reducesum_12": (12, "g (float[2,3] x) => (float[1,3] y) { y = ReduceSum <axes = [0]> (x) }"),
    "split_11": (11, "g (float[5,3] x) => (float[2,3] y, float[3,3] z) { y, z = Split <split = [2, 3]> (x) }"),
    "split_13": (13, "g (float[6,3] x) => (float[3,3] y, float[3,3] z) { y, z = Split (x) }"),
    "slice_9": (9, "g (float[5,4] x) => (float[5,2] y) { y = Slice <axes = [1], starts = [1], ends = [-1]> (x) }"),
    "topk_9": (9, "g (float[3,5] x) => (float[3,2] y, int64[3,2] i) { y, i = TopK <k = 2> (x) }"),
    "clip_7": (7, "g (float[9] x) => (float[9] y) { y = Clip <min = -0.5, max = 0.5> (x) }"),
    "pad_10": (10, "g (float[2,3] x) => (float[4,6] y) { y = Pad <pads = [1, 1, 1, 2], value = 0.25> (x) }"),
    "softmax_11": (11, "g (float[2,3,4] x) => (float[2,3,4] y, float[2,3,4] z) {"
                       " y = Softmax (x) z = LogSoftmax <axis = 0> (x) }"),
    "upsample_8": (8, "g (float[1,2,2,3] x) => (float[1,2,4,6] y) { y = Upsample <scales = [1.0, 1.0, 2.0, 2.0]> (x) }"),
    "resize_10": (10, "g (float[1,1,2,3] x) => (float[1,1,6,9] y) <float[4] s = {1, 1, 3, 3}> {"
                      ' y = Resize <mode = "linear"> (x, s) }'),
    "batchnorm_8": (8, "g (float[2,3,4] x) => (float[2,3,4] y)"
                       " <float[3] s = {1, 2, 3}, float[3] b = {0, 1, 0}, float[3] m = {1, 0, -1}, float[3] v = {1, 2, 4}> {"
                       " y = BatchNormalization (x, s, b, m, v) }"),
    "dropout_10": (10, "g (float[4] x) => (float[4] y) { y = Dropout <ratio = 0.25> (x) }"),
    "scatter_10": (10, "g (float[1,5] x, float[1,2] u) => (float[1,5] y) <int64[1,2] i = {1, 3}> { y = Scatter <axis = 1> (x, i, u) }"),
    "unsorted": (17, "g (float[N,3] x) => (float[N,3] y) { b = Tanh (x) y = Relu (b) }"),
    "subgraph": (17, "g (float[3] x) => (float[3] y) <int64 zero = {0}> {"
                     " s = ReduceSum <keepdims = 0> (x) w = Constant <value = float {0.0}> () c = Greater (s, w)"
                     " y = If <then_branch = t () => (float[3] a) { a = Relu (x) },"
                     " else_branch = e () => (float[3] a) { a = Neg (x) }> (c) }"),
}


def save(model, name):
    onnx.checker.check_model(model)
    onnx.save(model, name + ".onnx")


def main():
    for name, (version, text) in MODELS.items():
        header = f'<ir_version: {8 if version > 12 else 4}, opset_import: ["" : {version}]> '
        model = onnx.parser.parse_model(header + text)
        if name == "unsorted":
            onnx.checker.check_model(model)
            nodes = list(model.graph.node)[::-1]
            del model.graph.node[:]
            model.graph.node.extend(nodes)
            onnx.save(model, name + ".onnx")
            continue
        save(model, name)

    x = helper.make_tensor_value_info("x", TensorProto.FLOAT, ["N", 4])
    y = helper.make_tensor_value_info("y", TensorProto.FLOAT, ["N", 4])
    function = helper.make_function(
        "f", "Scaled", ["a"], ["r"],
        [helper.make_node("Constant", [], ["c"], value_floats=[1.0, 2.0, 3.0, 4.0]), helper.make_node("Mul", ["a", "c"], ["r"])],
        [helper.make_opsetid("", 17)])
    graph = helper.make_graph([helper.make_node("Scaled", ["x"], ["h"], domain="f", name="/a/scaled"),
                               helper.make_node("Scaled", ["h"], ["y"], domain="f", name="/b/scaled")], "g", [x], [y])
    save(helper.make_model(graph, functions=[function], ir_version=8,
                           opset_imports=[helper.make_opsetid("", 17), helper.make_opsetid("f", 1)]), "function")

    w = numpy_helper.from_array(np.arange(16, dtype=np.float32).reshape(4, 4) / 8, "w")
    graph = helper.make_graph([helper.make_node("MatMul", ["x", "w"], ["y"])], "g", [x], [y], [w])
    model = helper.make_model(graph, ir_version=8, opset_imports=[helper.make_opsetid("", 17)])
    onnx.save(model, "external.onnx", save_as_external_data=True, location="external.onnx_data", size_threshold=0)


main()

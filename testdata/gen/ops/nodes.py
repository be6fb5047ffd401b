"""Collects the one-node test cases of the onnx package for the reference backend.

    pip install onnx==1.23.2 numpy ml_dtypes
    python testdata/gen/ops/nodes.py backend/reference/testdata/nodes.jsonl.gz

Each line is one case: operator, attributes, inputs (null where omitted) and the outputs that ONNX expects.
Tensors are {"type", "shape", "data"}, the data being base64 of little-endian elements, or a list of strings.
"""

import base64
import gzip
import json
import sys
import warnings

import numpy as np
import onnx
from onnx import helper, numpy_helper
from onnx.backend.test.case.node import collect_testcases

OPERATORS = """
Abs Acos Acosh Add And ArgMax ArgMin Asin Asinh Atan Atanh Attention AveragePool BatchNormalization BitShift BitwiseAnd
BitwiseNot BitwiseOr BitwiseXor Cast CastLike Ceil CenterCropPad Celu Clip Compress Concat Constant
ConstantOfShape Conv ConvTranspose Cos Cosh CumSum DepthToSpace DequantizeLinear Div Dropout DynamicQuantizeLinear
Einsum Elu Equal Erf Exp Expand EyeLike Flatten Floor Gather GatherElements GatherND Gelu Gemm GlobalAveragePool
GlobalMaxPool Greater GreaterOrEqual GroupNormalization HardSigmoid HardSwish Hardmax Identity
InstanceNormalization IsInf IsNaN LRN LayerNormalization LeakyRelu Less LessOrEqual Log LogSoftmax
LpNormalization MatMul Max MaxPool Mean MeanVarianceNormalization Min Mish Mod Mul Neg NonZero Not OneHot Or PRelu
Pad Pow QuantizeLinear RMSNormalization Range Reciprocal ReduceL1 ReduceL2 ReduceLogSum ReduceLogSumExp ReduceMax
ReduceMean ReduceMin ReduceProd ReduceSum ReduceSumSquare Relu Reshape ReverseSequence RotaryEmbedding Round
ScatterElements ScatterND Selu Shape Sigmoid Sign Sin Sinh Size Slice Softmax Softplus Softsign SpaceToDepth Split
Sqrt Squeeze Sub Sum Swish Tan Tanh ThresholdedRelu Tile TopK Transpose Trilu Unsqueeze Where Xor
""".split()

# Elements of these types are no numbers to the reference backend.
UNSUPPORTED = {
    onnx.TensorProto.FLOAT8E4M3FN, onnx.TensorProto.FLOAT8E4M3FNUZ, onnx.TensorProto.FLOAT8E5M2,
    onnx.TensorProto.FLOAT8E5M2FNUZ, onnx.TensorProto.FLOAT8E8M0, onnx.TensorProto.FLOAT4E2M1,
    onnx.TensorProto.UINT2, onnx.TensorProto.INT2,
}
MAX_BYTES = {"Attention": 7200, "": 12000}  # larger cases show nothing that smaller ones do not


class Skip(Exception):
    pass


def tensor(value):
    if isinstance(value, onnx.TensorProto):
        elem, array = value.data_type, numpy_helper.to_array(value)
    elif isinstance(value, (np.ndarray, np.generic)):
        array = np.asarray(value)
        elem = helper.np_dtype_to_tensor_dtype(array.dtype)
    else:
        raise Skip("not a tensor")
    if elem in UNSUPPORTED:
        raise Skip("element type")
    out = {"type": elem, "shape": list(array.shape)}
    if elem == onnx.TensorProto.STRING:
        out["data"] = [s.decode() if isinstance(s, bytes) else str(s) for s in array.ravel()]
        return out
    if elem in (onnx.TensorProto.INT4, onnx.TensorProto.UINT4):
        nibbles = array.astype(np.int8).ravel() & 15
        nibbles = np.append(nibbles, [0] * (len(nibbles) % 2)).astype(np.uint8)
        raw = (nibbles[::2] | nibbles[1::2] << 4).tobytes()
    else:
        raw = np.ascontiguousarray(array).tobytes()
    out["data"] = base64.b64encode(raw).decode()
    return out


def attribute(a):
    value = helper.get_attribute_value(a)
    kind = onnx.AttributeProto.AttributeType.Name(a.type)
    if kind == "TENSOR":
        value = tensor(value)
    elif kind == "STRING":
        value = value.decode()
    elif kind == "STRINGS":
        value = [s.decode() for s in value]
    elif kind in ("INTS", "FLOATS"):
        value = list(value)
    elif kind not in ("INT", "FLOAT"):
        raise Skip(kind)
    return {"name": a.name, "kind": kind, "value": value}


def case(c):
    (node,) = c.model.graph.node
    inputs, outputs = c.data_sets[0]
    if any(v.name == "training_mode" for v in node.attribute) or "training" in c.name:
        raise Skip("training")
    if c.name == "test_averagepool_2d_ceil_last_window_starts_on_pad":
        raise Skip("expected values of four digits")
    if node.op_type == "SpaceToDepth" and any(v.name == "mode" for v in node.attribute):
        raise Skip("an attribute younger than version 24")
    by_name = dict(zip([v.name for v in c.model.graph.input], inputs))
    out = {
        "name": c.name,
        "op": node.op_type,
        "attrs": [attribute(a) for a in node.attribute],
        "in": [tensor(by_name[name]) if name else None for name in node.input],
        "names": list(node.output),
        "out": [tensor(v) for v in outputs],
    }
    if len(json.dumps(out)) > MAX_BYTES.get(node.op_type, MAX_BYTES[""]) and "causal_with_past" not in c.name:
        raise Skip("size")
    return out


def main(path):
    warnings.simplefilter("ignore")
    lines, skipped = [], {}
    for c in collect_testcases():
        nodes = c.model.graph.node
        if c.name.endswith("_expanded") or len(nodes) != 1 or nodes[0].domain or nodes[0].op_type not in OPERATORS:
            continue
        try:
            lines.append(json.dumps(case(c), separators=(",", ":")))
        except Skip as why:
            skipped.setdefault(str(why), []).append(c.name)
    with open(path, "wb") as f, gzip.GzipFile(filename="", fileobj=f, mode="wb", mtime=0) as z:
        z.write(("\n".join(sorted(lines)) + "\n").encode())
    print(f"{len(lines)} cases")
    for why, names in skipped.items():
        print(f"skipped for {why}: {len(names)}")


if __name__ == "__main__":
    main(sys.argv[1])

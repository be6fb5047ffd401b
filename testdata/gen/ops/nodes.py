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
Abs Acos Acosh Add AffineGrid And ArgMax ArgMin Asin Asinh Atan Atanh Attention AveragePool BatchNormalization BitCast
BitShift BitwiseAnd BitwiseNot BitwiseOr BitwiseXor BlackmanWindow Cast CastLike CausalConvWithState Ceil CenterCropPad
Celu Clip Col2Im Compress Concat Constant ConstantOfShape Conv ConvInteger ConvTranspose Cos Cosh CumProd CumSum DFT
DeformConv DepthToSpace DequantizeLinear Det Div Dropout DynamicQuantizeLinear
Einsum Elu Equal Erf Exp Expand EyeLike Flatten Floor GRU Gather GatherElements GatherND Gelu Gemm GlobalAveragePool
GlobalMaxPool Greater GreaterOrEqual GridSample GroupNormalization HammingWindow HannWindow HardSigmoid HardSwish Hardmax
Identity InstanceNormalization IsInf IsNaN LRN LSTM LayerNormalization LeakyRelu Less LessOrEqual LinearAttention Log
LogSoftmax LpNormalization MatMul Max MaxPool MaxUnpool Mean MeanVarianceNormalization MelWeightMatrix Min Mish Mod Mul
Neg NegativeLogLikelihoodLoss NonMaxSuppression NonZero Not OneHot Or PRelu Pad Pow QLinearConv QLinearMatMul
QuantizeLinear RMSNormalization RNN Range Reciprocal ReduceL1 ReduceL2 ReduceLogSum ReduceLogSumExp ReduceMax
ReduceMean ReduceMin ReduceProd ReduceSum ReduceSumSquare Relu Reshape ReverseSequence RoiAlign RotaryEmbedding Round
STFT ScatterElements ScatterND Selu Shape Shrink Sigmoid Sign Sin Sinh Size Slice Softmax SoftmaxCrossEntropyLoss
Softplus Softsign SpaceToDepth Split Sqrt Squeeze Sub Sum SwiGLU Swish Tan Tanh TensorScatter TfIdfVectorizer
ThresholdedRelu Tile TopK Transpose Trilu Unique Unsqueeze Where Xor
""".split()

# Larger cases show nothing that smaller ones do not.
MAX_BYTES = {"Attention": 7200, "NegativeLogLikelihoodLoss": 2000, "SoftmaxCrossEntropyLoss": 2000, "": 12000}

ROUNDED = {
    "test_averagepool_2d_ceil_last_window_starts_on_pad", "test_gridsample_bicubic", "test_roialign_aligned_false",
    "test_roialign_aligned_true",
}

# Elements of less than a byte, packed low bits first, by how many bits they have.
NARROW = {
    onnx.TensorProto.INT4: 4, onnx.TensorProto.UINT4: 4, onnx.TensorProto.FLOAT4E2M1: 4,
    onnx.TensorProto.INT2: 2, onnx.TensorProto.UINT2: 2,
}


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
    out = {"type": elem, "shape": list(array.shape)}
    if elem == onnx.TensorProto.STRING:
        out["data"] = [s.decode() if isinstance(s, bytes) else str(s) for s in array.ravel()]
        return out
    if elem in NARROW:
        bits = NARROW[elem]
        per = 8 // bits
        codes = np.frombuffer(np.ascontiguousarray(array).tobytes(), np.uint8) & (2**bits - 1)  # a byte each in memory
        codes = np.append(codes, np.zeros(-len(codes) % per, np.uint8)).reshape(-1, per)
        raw = np.bitwise_or.reduce(codes << (np.arange(per, dtype=np.uint8) * bits), axis=1).astype(np.uint8).tobytes()
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
    if c.name in ROUNDED:
        raise Skip("expected values of four digits")
    if "_opset" in c.name:
        raise Skip("an older spelling")
    if "align_corners" in c.name and "downsample" in c.name or c.name.startswith("test_dft_inverse"):
        raise Skip("expected values that are not exact")
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

"""Runs the operator cases of ir/ops/testdata in ONNX Runtime, for the reference backend to compare with.

    pip install onnx==1.23.2 onnxruntime==1.32.0 numpy ml_dtypes
    python testdata/gen/ops/ort.py backend/reference/testdata/ort.jsonl.gz

Cases that ONNX Runtime cannot run are printed and left out. The lines are those of nodes.py.
"""

import glob
import gzip
import json
import re
import sys
import zlib

import numpy as np
import onnx
import onnx.parser
import onnxruntime as ort

from nodes import attribute, tensor

ort.set_default_logger_severity(4)

# Where ONNX Runtime reads indices in the larger output, onnx's own test reads them in the smaller one.
OTHERWISE = {"MaxUnpool: into a larger output"}


def cases():
    for path in sorted(glob.glob("ir/ops/testdata/*.txtar")):
        parts = re.split(r"^-- (.*) --\n", open(path).read(), flags=re.M)[1:]
        for name, text in zip(parts[::2], parts[1::2]):
            if name not in OTHERWISE:
                yield name, text.replace("double", "float")


def draw(name, text, model):
    """Elements of the inputs: given by "# x = ...", drawn from "# x in A B" or from [-2, 2]."""
    notes = {m[1]: (m[2], [float(w) for w in m[3].split()]) for m in re.finditer(r"^# (\w+) (in|=) (.*)$", text, re.M)}
    feed = {}
    for v in model.graph.input:
        shape = [d.dim_value for d in v.type.tensor_type.shape.dim]
        dtype = onnx.helper.tensor_dtype_to_np_dtype(v.type.tensor_type.elem_type)
        kind, numbers = notes.get(v.name, ("in", [-2, 2]))
        if kind == "in":
            numbers = np.random.default_rng(zlib.crc32(f"{name}/{v.name}".encode())).uniform(*numbers, size=shape)
        feed[v.name] = np.array(numbers).reshape(shape).astype(dtype)
    return feed


def run(name, text):
    """As version 24 of ONNX, or as 21, where ONNX Runtime has kernels for older versions only."""
    try:
        return run_as(24, name, text)
    except ort.capi.onnxruntime_pybind11_state.NotImplemented:
        return run_as(21, name, text)


def run_as(opset, name, text):
    model = onnx.parser.parse_model(f'<ir_version: 10, opset_import: ["" : {opset}, "com.microsoft" : 1]>\n' + text)
    (node,) = [n for n in model.graph.node if n.op_type != "Constant"]
    feed = draw(name, text, model)
    options = ort.SessionOptions()
    options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_DISABLE_ALL
    session = ort.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
    known = dict(feed)
    known.update({t.name: onnx.numpy_helper.to_array(t) for t in model.graph.initializer})
    returned = [o.name for o in model.graph.output]
    return {
        "name": name,
        "op": ".".join(part for part in (node.domain, node.op_type) if part),
        "attrs": [attribute(a) for a in node.attribute],
        "in": [tensor(known[i]) if i else None for i in node.input],
        "names": [o if o in returned else "" for o in node.output],
        "out": [tensor(o) for o in session.run([o for o in node.output if o in returned], feed)],
    }


def main(path):
    lines, refused = [], []
    for name, text in cases():
        try:
            lines.append(json.dumps(run(name, text), separators=(",", ":")))
        except Exception as why:  # of any kind: the parser's, the checker's, the runtime's
            refused.append(name)
            print(f"{name}: {str(why).strip().splitlines()[0][:160]}")
    with open(path, "wb") as f, gzip.GzipFile(filename="", fileobj=f, mode="wb", mtime=0) as z:
        z.write(("\n".join(lines) + "\n").encode())
    print(f"{len(lines)} cases, {len(refused)} refused")


if __name__ == "__main__":
    main(sys.argv[1])

"""Writes the node tests of the onnx package as files, for go run ./internal/cmd/conformance.

    pip install onnx==1.23.2 numpy ml_dtypes
    python testdata/gen/conformance.py FOLDER

Each test is FOLDER/NAME/model.onnx with test_data_set_0/input_0.pb, … and output_0.pb, …: TensorProto, or the SequenceProto
or OptionalProto that the model's type asks for. FOLDER/VERSION names the version of the onnx package.
"""

import os
import sys
import warnings

import onnx
from onnx import numpy_helper
from onnx.backend.test.case.node import collect_testcases

VERSION = "1.23.2"


def encoded(value, info):
    """The bytes of a value of the type that the graph declares for it."""
    kind = info.type.WhichOneof("value")
    if hasattr(value, "SerializeToString"):
        return value.SerializeToString()
    make = {
        "tensor_type": numpy_helper.from_array,
        "sequence_type": numpy_helper.from_list,
        "optional_type": numpy_helper.from_optional,
    }[kind]
    return make(value, info.name).SerializeToString()


def write(path, data):
    with open(path, "wb") as f:
        f.write(data)


def main(folder):
    if onnx.__version__ != VERSION:
        sys.exit(f"onnx {onnx.__version__} is installed, want {VERSION}: docs/conformance.md counts its tests")
    warnings.simplefilter("ignore")  # overflow and division by zero are what some tests are about
    cases = collect_testcases()
    for case in cases:
        test = os.path.join(folder, case.name)
        os.makedirs(test, exist_ok=True)
        write(os.path.join(test, "model.onnx"), case.model.SerializeToString())
        for i, (inputs, outputs) in enumerate(case.data_sets):
            data = os.path.join(test, f"test_data_set_{i}")
            os.makedirs(data, exist_ok=True)
            for what, values, infos in (("input", inputs, case.model.graph.input), ("output", outputs, case.model.graph.output)):
                for j, value in enumerate(values):
                    write(os.path.join(data, f"{what}_{j}.pb"), encoded(value, infos[j]))
    write(os.path.join(folder, "VERSION"), f"onnx {VERSION}\n".encode())
    print(f"{len(cases)} tests")


if __name__ == "__main__":
    main(*sys.argv[1:])

"""Run an ONNX file in ONNX Runtime: run_onnx.py MODEL INPUTS.npz OUTPUTS.npz [LEVEL]

LEVEL is how much of the graph it may optimize: "basic" leaves quantizations where they are, which more than that fuses
into kernels that round otherwise.
"""

import sys

import numpy
import onnxruntime

model, inputs, outputs, *level = sys.argv[1:]
options = onnxruntime.SessionOptions()
if level == ["basic"]:
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_BASIC
options.log_severity_level = 3
session = onnxruntime.InferenceSession(model, options)
given = numpy.load(inputs)
feed = {v.name: given[v.name] for v in session.get_inputs()}
numpy.savez(outputs, **dict(zip([v.name for v in session.get_outputs()], session.run(None, feed))))

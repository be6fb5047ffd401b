"""Run an ONNX file in ONNX Runtime: run_onnx.py MODEL INPUTS.npz OUTPUTS.npz"""

import sys

import numpy
import onnxruntime

model, inputs, outputs = sys.argv[1:]
options = onnxruntime.SessionOptions()
options.log_severity_level = 3
session = onnxruntime.InferenceSession(model, options)
given = numpy.load(inputs)
feed = {v.name: given[v.name] for v in session.get_inputs()}
numpy.savez(outputs, **dict(zip([v.name for v in session.get_outputs()], session.run(None, feed))))

"""Make testdata/onnx/vision: small convnets and vision transformers as several exporters write them, and their relevance.

    python testdata/gen/vision/make.py [NET...]      about a minute

NET.EXPORTER.onnx, NET.npz with `in.x`, `out.logits` and `MAP.FORM.x`, and golden.json, as golden/make.py writes them.
The reference is reference.py, in float64 on the float32 weights.
"""

import contextlib
import io
import json
import logging
import pathlib
import sys
import tempfile
import warnings

import numpy as np
import onnx
import onnxruntime
import torch

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))

import nets  # noqa: E402
import reference  # noqa: E402
import respell  # noqa: E402

OUT = HERE.parents[1] / "onnx" / "vision"
KEPT = {"pkg.torch.onnx.class_hierarchy", "pkg.torch.onnx.name_scopes"}
EXPORTS = {
    "mobilenet": ("torchscript9", "apart"),
    "densenet": ("torchscript17", "dynamo18", "apart"),
    "residual": ("channels_last", "apart", "unoptimized18"),
    "unet": ("torchscript11", "dynamo20"),
    "channels": ("torchscript13",),
    "corners": ("torchscript17", "dynamo20"),
    "unnamed": ("dynamo20",),
    "swin": ("dynamo20",),
}


def main(names):
    torch.set_num_threads(1)
    OUT.mkdir(parents=True, exist_ok=True)
    path = OUT / "golden.json"
    cases = json.loads(path.read_text()) if path.exists() else {}
    cases |= {name: make(name) for name in names or nets.NETS}
    path.write_text(json.dumps(cases, indent=1) + "\n")


def make(name):
    build, side, maps = nets.NETS[name]
    x = torch.randn(1, 3, side, side, generator=torch.Generator().manual_seed(side)).clamp(-2, 2)
    model = nets.randomize(build(), len(name))
    arrays = {"in.x": x.numpy()}
    with torch.no_grad():
        target = [0, int(model(x)[0].argmax())]
    models = {}
    for exporter in EXPORTS[name]:
        path = OUT / f"{name}.{exporter}.onnx"
        export(model, [x], path, exporter)
        models[path.name] = {"x": "x"}
    model.double().written_out = False
    for map_ in maps:
        r, y = reference.relevance(model, [x], target, map_)
        arrays[f"{map_}.{reference.FORM[map_]}.x"] = r.numpy()
    arrays["out.logits"] = y.numpy()
    for file in models:
        same(OUT / file, arrays)
    np.savez_compressed(OUT / f"{name}.npz", **arrays)
    return {"models": models, "target": [target]}


def names(inputs):
    """What an export calls its inputs: a picture, and a text."""
    return ["x", "text"][: len(inputs)]


def export(model, inputs, path, exporter):
    """Write model at path as the exporter does; a number at the end is the opset."""
    warnings.filterwarnings("ignore")
    logging.disable(logging.WARNING)
    opset = int(exporter.lstrip("abcdefghijklmnopqrstuvwxyz_") or 17)
    how = {"input_names": names(inputs), "output_names": ["logits"], "opset_version": opset}
    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
        if exporter.startswith(("dynamo", "unoptimized")):
            plain = exporter.startswith("unoptimized")
            torch.onnx.export(model, tuple(inputs), path, dynamo=True, external_data=False, verbose=False, optimize=not plain, **how)
        elif exporter.startswith("torchscript"):
            how |= {"do_constant_folding": False, "training": torch.onnx.TrainingMode.PRESERVE}
            torch.onnx.export(model, tuple(inputs), path, dynamo=False, **how)
        else:
            with tempfile.TemporaryDirectory() as folder:
                source = pathlib.Path(folder) / "source.onnx"
                export(model, inputs, source, "torchscript17")
                getattr(respell, exporter)(source, path)
    m = onnx.load(path)
    for n in m.graph.node:  # stack traces hold paths of this machine
        props = [p for p in n.metadata_props if p.key in KEPT]
        del n.metadata_props[:]
        n.metadata_props.extend(props)
    del m.metadata_props[:]
    onnx.save(m, path)


def same(path, arrays):
    """Stop if an export computes something else."""
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    off = np.abs(session.run(None, {"x": arrays["in.x"]})[0] - arrays["out.logits"]).max() / np.abs(arrays["out.logits"]).max()
    print(f"{path.name}: {path.stat().st_size >> 10} KB, ONNX Runtime differs from PyTorch by {off:.1e}", flush=True)
    if not off < 1e-5:
        raise SystemExit(f"{path.name} is not the model")


if __name__ == "__main__":
    main(sys.argv[1:])

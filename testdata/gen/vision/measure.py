"""Print how far lxtc's relevance is from reference.py's on the models of zoo.py, as several exporters write them.

    python testdata/gen/vision/measure.py bin/lxtc [NAME…]      an hour for all

A cell is the greatest difference divided by the greatest value, in float32: max|got - want| / max|want|. "emitted" is the rewritten model in ONNX
Runtime against lxtc, under epsilon-plus. A NAME is a part of a model's name.
"""

import pathlib
import subprocess
import sys
import tempfile

import numpy as np
import onnxruntime
import torch

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))

import make  # noqa: E402
import reference  # noqa: E402
import zoo  # noqa: E402

EXPORTERS = ("dynamo20", "torchscript17", "torchscript11", "unoptimized18")


def main(lxtc, *names):
    torch.set_num_threads(1)
    print("| model | exporter | forward | " + " | ".join(reference.FORM) + " | emitted |")
    print("| --- | --- |" + " --: |" * (len(reference.FORM) + 2))
    for name, build in zoo.models().items():
        if names and not any(n in name for n in names):
            continue
        with tempfile.TemporaryDirectory() as folder:
            measure(lxtc, name, build, pathlib.Path(folder))


def measure(lxtc, name, build, folder):
    model, inputs = build()
    paths = {}
    for exporter in EXPORTERS:
        try:
            make.export(model, inputs, folder / f"{exporter}.onnx", exporter)
            paths[exporter] = folder / f"{exporter}.onnx"
        except Exception as e:
            print(f"| {name} | {exporter} | not exported: {type(e).__name__} |", flush=True)
    feed = dict(zip(make.names(inputs), (t.numpy() for t in inputs)))
    np.savez(folder / "in.npz", **feed)
    model.double()
    with torch.no_grad():
        y = model(*[t.double() if t.is_floating_point() else t for t in inputs]).numpy()
    target = [int(i) for i in np.unravel_index(y.argmax(), y.shape)]
    want = {map_: reference.relevance(model, inputs, target, map_)[0].numpy() for map_ in reference.FORM}
    for exporter, path in paths.items():
        run = lambda command, *how: subprocess.run(
            [lxtc, command, path, "-q", "--target", f"logits{target}".replace(" ", ""), "--explain", "x", *how], capture_output=True, text=True
        )
        row = {}
        for map_, form in reference.FORM.items():
            how = ["-r", map_, "--form", form]
            done = run("explain", *how, "--input", folder / "in.npz", "-o", folder / "out.npz")
            if done.returncode:
                row[map_] = done.stderr.splitlines()[0].removeprefix(f"lxtc: {path}: ")
                continue
            got = np.load(folder / "out.npz")
            row["forward"], row[map_] = off(got["logits"], y), off(got["R:x"], want[map_])
            if map_ == "epsilon-plus" and run("rewrite", *how, "-o", folder / "emitted.onnx").returncode == 0:
                session = onnxruntime.InferenceSession(folder / "emitted.onnx", providers=["CPUExecutionProvider"])
                given = {i.name: feed[i.name] for i in session.get_inputs()}
                row["emitted"] = off(session.run(["R:x"], given)[0], got["R:x"])
        cells = [row.get(k, "") for k in ("forward", *reference.FORM, "emitted")]
        print(f"| {name} | {exporter} | " + " | ".join(cells) + " |", flush=True)


def off(got, want):
    return f"{np.abs(got - want).max() / np.abs(want).max():.1e}"


if __name__ == "__main__":
    main(*sys.argv[1:])

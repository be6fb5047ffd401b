"""Explain a picture by ViT-B/16 at 15 pairs of gammas, with zennit and LXT and with lxtc; print a table.

    .venv-lxt/bin/python bench/grid.py --lxtc bin/lxtc [--threads N] [--small]

The model is torchvision's vit_b_16 with random weights, in float32. Both sides
explain the same logit of the same random picture, one after another, in
processes of their own:

    run   all 15 explanations, the model loaded (lxtc: the whole command)
    cold  the whole command, imports and loading included
    peak  greatest resident memory (ru_maxrss)

and the heat maps are compared: relative distance in the Euclidean norm, the
greatest of the 15. --small takes a model that is done in seconds.
"""

import argparse
import itertools
import json
import os
import pathlib
import subprocess
import sys
import tempfile
import time

HERE = pathlib.Path(__file__).resolve().parent
CONV = [0.1, 0.5, 100]
LINEAR = [0, 0.01, 0.05, 0.1, 1]
TARGET = 7
KIB = 1024  # to the MiB; ru_maxrss counts KiB on Linux


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--lxtc", default="bin/lxtc")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--small", action="store_true")
    parser.add_argument("--part", nargs=2, help=argparse.SUPPRESS)  # what this process does, and where
    args = parser.parse_args()
    if args.part:
        return PARTS[args.part[0]](args, pathlib.Path(args.part[1]))
    import numpy

    with tempfile.TemporaryDirectory() as folder:
        folder = pathlib.Path(folder)
        me = [sys.executable, __file__, "--threads", str(args.threads)] + ["--small"] * args.small
        timed(me + ["--part", "export", str(folder)])  # not here: a child's peak counts what its parent held when it started
        cold, peak = timed(me + ["--part", "explain", str(folder)])
        theirs = json.loads((folder / "torch.json").read_text())
        command = [
            args.lxtc, "grid", str(folder / "vit.onnx"), "--input", str(folder / "in.npz"), "-r", str(HERE / "vit-grid.rules"),
            "--target", f"logits[0,{TARGET}]", "--threads", str(args.threads), "--steps", "0", "-o", str(folder / "lxtc.npz"),
            "--param", "conv=" + ",".join(map(str, CONV)), "--param", "linear=" + ",".join(map(str, LINEAR)),
        ]  # fmt: skip
        ours, our_peak = timed(command)
        want, got = numpy.load(folder / "torch.npz"), numpy.load(folder / "lxtc.npz")
        worst = 0
        for conv, linear in points():
            a, b = want[f"{conv} {linear}"], got[f"R:pixels conv={conv} linear={linear}"]
            worst = max(worst, float(numpy.linalg.norm(a - b) / numpy.linalg.norm(a)))
    print("| contender | run s | ratio | cold s | ratio | peak MiB | ratio |\n| --- | --: | --: | --: | --: | --: | --: |")
    print(f"| zennit + LXT | {theirs['run']:.1f} | 1.00 | {cold:.1f} | 1.00 | {peak:.0f} | 1.00 |")
    print(f"| lxtc grid | {ours:.1f} | {ours / theirs['run']:.3f} | {ours:.1f} | {ours / cold:.3f} | {our_peak:.0f} | {our_peak / peak:.2f} |")
    print(f"\nheat maps: at most {worst:.2g} apart")


def points():
    return itertools.product(CONV, LINEAR)


def timed(command):
    """Seconds and MiB of a command, which must succeed."""
    start = time.perf_counter()
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    seconds = time.perf_counter() - start
    if status != 0:
        sys.exit(f"grid.py: {command[0]} failed")
    return seconds, usage.ru_maxrss / KIB


def model(args):
    import torch
    from torchvision.models import vision_transformer

    torch.manual_seed(1)
    torch.set_num_threads(args.threads)
    if args.small:
        net = vision_transformer.VisionTransformer(64, 16, 2, 2, 32, 64, num_classes=10)
    else:
        net = vision_transformer.vit_b_16()
    torch.nn.init.normal_(net.heads.head.weight, std=0.02)  # torchvision starts it at 0
    return net.eval(), torch.randn(1, 3, 64 if args.small else 224, 64 if args.small else 224)


def export(args, folder):
    import numpy
    import torch

    net, x = model(args)
    torch.onnx.export(net, (x,), folder / "vit.onnx", input_names=["pixels"], output_names=["logits"], opset_version=17, dynamo=False)
    numpy.savez(folder / "in.npz", pixels=x.numpy())


def contender(args, folder):
    """As LXT's example does it: its patches, and zennit's Gamma in convolutions and linear layers."""
    import numpy
    import torch
    from contenders import without_imports
    from zennit.composites import LayerMapComposite
    from zennit.rules import Gamma

    without_imports("lxt", "efficient", "models")
    from lxt.efficient.models import vit_torch
    from lxt.efficient.zennit_patches import monkey_patch_zennit

    for target, patch in vit_torch.cp_LRP.items():
        patch(target)
    monkey_patch_zennit(verbose=False)
    net, x = model(args)
    for p in net.parameters():
        p.requires_grad = False
    x.requires_grad = True
    maps = {}
    start = time.perf_counter()
    for conv, linear in points():
        x.grad = None
        composite = LayerMapComposite([(torch.nn.Conv2d, Gamma(conv)), (torch.nn.Linear, Gamma(linear))])
        composite.register(net)
        net(x)[0, TARGET].backward()
        maps[f"{conv} {linear}"] = (x * x.grad).detach().numpy()
        composite.remove()
    run = time.perf_counter() - start
    numpy.savez(folder / "torch.npz", **maps)
    (folder / "torch.json").write_text(json.dumps({"run": run}))


PARTS = {"export": export, "explain": contender}

if __name__ == "__main__":
    main()

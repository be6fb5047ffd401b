"""Convnets side by side, forward and explained: lxtc, ONNX Runtime, PyTorch with zennit; prints tables.

    .venv-lxt/bin/python bench/conv.py --turns bin/turns [--threads N] [--runs N] [MODEL ...]

The models are torchvision's with random weights, in float32, and a U-Net; one
picture at a time. Contenders are processes of their own, and take turns: each
runs once, then each again, so that whatever else the machine does falls on all
of them. The best of the runs counts; models are loaded, imported and compiled
before. With --processor, what counts is the time on the processor rather than
the clock's, which with one thread means something on a busy machine as well.

    forward    the model as torch.onnx exports it, in ONNX Runtime and in lxtc; as it is, in PyTorch
    a map      forward and relevance of one logit: zennit's composite of that name, or autograd
               for attnlrp (LXT's patches for a vision transformer), and lxtc's rule map

ru_maxrss of each process is its peak. Relevance of the two is compared where
they mean the same: relative distance in the Euclidean norm.
"""

import argparse
import json
import pathlib
import resource
import subprocess
import sys
import tempfile
import time

TARGET = 7
FORMS = {"epsilon-plus": ["-explicit"], "epsilon-gamma-box": ["-explicit"], "attnlrp": []}  # zennit's rules are explicit
KIB = 1024  # to the MiB; ru_maxrss counts KiB on Linux
REST = 0.05  # seconds in which the threads of the last contender fall asleep


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("models", nargs="*", metavar="MODEL", help="of " + ", ".join(MODELS))
    parser.add_argument("--turns", default="bin/turns", help="what `go build ./internal/cmd/turns` makes")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--runs", type=int, default=10)
    parser.add_argument("--processor", action="store_true", help="count time on the processor (Linux)")
    parser.add_argument("--maps", nargs="*", default=[*FORMS])
    parser.add_argument("--keep", type=pathlib.Path, help="folder for the exported models")
    parser.add_argument("--part", nargs=2, help=argparse.SUPPRESS)  # what this process does, and where
    args = parser.parse_args()
    if args.part:
        return part(args)
    unknown = set(args.models) - set(MODELS)
    if unknown:
        parser.error(f"no model is called {', '.join(unknown)}")
    with tempfile.TemporaryDirectory() as folder:
        folder = args.keep or pathlib.Path(folder)
        results = {}
        for name in args.models or MODELS:
            results[name] = measure(args, name, folder)
            print(name, json.dumps(results[name]), file=sys.stderr, flush=True)
    report(args, results)


class Contender:
    """A process that runs once for every line it gets, and answers with the seconds."""

    def __init__(self, command, processor):
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.processor = processor
        self.seconds = []

    def spent(self):
        """Seconds on the processor, of all threads that there are."""
        tasks = pathlib.Path(f"/proc/{self.process.pid}/task").glob("*/schedstat")
        return sum(int(t.read_text().split()[0]) for t in tasks) / 1e9

    def turn(self):
        before = self.spent() if self.processor else 0
        self.process.stdin.write("\n")
        self.process.stdin.flush()
        line = self.process.stdout.readline()
        if not line:
            sys.exit(f"conv.py: {self.process.args} failed")
        self.seconds.append(self.spent() - before if self.processor else float(line))
        time.sleep(REST)

    def end(self):
        """Returns the best seconds, and the peak in MiB."""
        status = pathlib.Path(f"/proc/{self.process.pid}/status").read_text()
        peak = int(status.split("VmHWM:")[1].split()[0]) / KIB
        self.process.stdin.close()
        if self.process.wait() != 0:
            sys.exit(f"conv.py: {self.process.args} failed")
        return min(self.seconds), peak


def measure(args, name, folder):
    me = [sys.executable, __file__, "--threads", str(args.threads), name]
    onnx, inputs = folder / f"{name}.onnx", folder / f"{name}.npz"
    if not onnx.exists():
        subprocess.run([*me, "--part", "export", folder], check=True, stdout=subprocess.DEVNULL)
    own = [args.turns, "-threads", str(args.threads)]
    contenders = {
        "onnxruntime": [*me, "--part", "onnxruntime", folder],
        "torch": [*me, "--part", "forward", folder],
        "lxtc": [*own, onnx, inputs],
    }
    for rules in args.maps:
        contenders[f"torch {rules}"] = [*me, "--part", rules, folder]
        contenders[f"lxtc {rules}"] = [*own, "-rules", rules, *FORMS[rules], "-target", f"logits[0,{TARGET}]", "-o", folder / f"{name}.{rules}.own.npz", onnx, inputs]
    running = {c: Contender(command, args.processor) for c, command in contenders.items()}
    for _ in range(args.runs + 1):
        for c in running.values():
            c.turn()
    for c in running.values():
        c.seconds = c.seconds[1:]  # the first finds cold caches
    result = {c: r.end() for c, r in running.items()}
    return result | {f"distance {rules}": (distance(folder, name, rules), 0) for rules in args.maps}


def distance(folder, name, rules):
    import numpy

    want, own = numpy.load(folder / f"{name}.{rules}.npz")["R"], numpy.load(folder / f"{name}.{rules}.own.npz")["R:pixels"]
    want, own = want.astype(float), own.astype(float)  # their squares can be 0 in float32
    return float(numpy.linalg.norm(own - want) / numpy.linalg.norm(want))


def report(args, results):
    print("| model | ONNX Runtime ms | PyTorch ms | lxtc ms | to ONNX Runtime | MiB | to ONNX Runtime |")
    print("| --- | --: | --: | --: | --: | --: | --: |")
    for name, r in results.items():
        (ort, ort_peak), (torch, _), (own, peak) = r["onnxruntime"], r["torch"], r["lxtc"]
        print(f"| {name} | {ort * 1e3:.1f} | {torch * 1e3:.1f} | {own * 1e3:.1f} | {own / ort:.2f} | {peak:.0f} | {peak / ort_peak:.2f} |")
    for rules in args.maps:
        print(f"\n| {rules} | zennit ms | lxtc ms | ratio | to own forward | MiB | ratio | apart |\n| --- | --: | --: | --: | --: | --: | --: | --: |")
        for name, r in results.items():
            (torch, torch_peak), (own, peak) = r[f"torch {rules}"], r[f"lxtc {rules}"]
            print(
                f"| {name} | {torch * 1e3:.1f} | {own * 1e3:.1f} | {own / torch:.2f} | {own / r['lxtc'][0]:.2f} |"
                f" {peak:.0f} | {peak / torch_peak:.2f} | {r[f'distance {rules}'][0]:.1g} |"
            )


# --- what the processes do ---


def part(args):
    what, folder = args.part[0], pathlib.Path(args.part[1])
    (name,) = args.models
    run = PARTS.get(what, explain)(args, folder / name)
    if run is None:
        return
    for _ in sys.stdin:
        start = time.perf_counter()
        run()
        print(time.perf_counter() - start, flush=True)


def network(args):
    """The network, batch norms folded into convolutions as exporters do, and a picture."""
    import torch
    from torch.fx.experimental import optimization

    torch.set_num_threads(args.threads)
    torch.manual_seed(1)
    net = MODELS[args.models[0]]().eval()
    if any(isinstance(m, torch.nn.BatchNorm2d) for m in net.modules()):
        net = optimization.fuse(net)
    for p in net.parameters():
        p.requires_grad = False
    return net, torch.randn(1, 3, 224, 224)


def export(args, path):
    import numpy
    import torch

    torch.backends.mha.set_fastpath_enabled(False)  # which has no operator in ONNX
    net, x = network(args)
    torch.onnx.export(net, (x,), f"{path}.onnx", input_names=["pixels"], output_names=["logits"], opset_version=17, dynamo=False)
    numpy.savez(f"{path}.npz", pixels=x.numpy())


def forward(args, path):
    import torch

    net, x = network(args)
    return torch.inference_mode()(lambda: net(x))


def onnxruntime(args, path):
    import numpy
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = args.threads
    session = onnxruntime.InferenceSession(f"{path}.onnx", options)
    feed = dict(numpy.load(f"{path}.npz"))
    return lambda: session.run(None, feed)


def explain(args, path):
    """zennit's composite of this name; for attnlrp autograd's gradient times the input."""
    import numpy
    import torch
    from zennit import composites

    rules = args.part[0]
    if rules == "attnlrp" and args.models[0].startswith("vit"):
        patch_vit()
    net, x = network(args)
    if rules == "epsilon-plus":
        composites.EpsilonPlus().register(net)
    elif rules == "epsilon-gamma-box":
        low, high = (torch.tensor(v).view(1, 3, 1, 1).expand_as(x) for v in ([-2.1179, -2.0357, -1.8044], [2.2489, 2.4286, 2.64]))
        composites.EpsilonGammaBox(low=low, high=high).register(net)
    x.requires_grad = True
    logits = net(x)
    seed = torch.zeros_like(logits)
    seed.view(-1)[TARGET] = 1

    def run():
        y = net(x)
        (r,) = torch.autograd.grad(y, x, seed if rules == "attnlrp" else seed * y.detach())
        return (x * r if rules == "attnlrp" else r).detach()

    numpy.savez(f"{path}.{rules}.npz", R=run().numpy())
    return run


def patch_vit():
    from contenders import without_imports

    without_imports("lxt", "efficient", "models")
    from lxt.efficient.models import vit_torch

    for target, patch in vit_torch.attnLRP.items():
        patch(target)


PARTS = {"export": export, "forward": forward, "onnxruntime": onnxruntime}


def torchvision_model(name):
    def make():
        import torch
        import torchvision

        net = torchvision.models.get_model(name, weights=None)
        if name.startswith("vit"):
            torch.nn.init.normal_(net.heads.head.weight, std=0.02)  # torchvision starts it at 0
        return net

    return make


def efficientnet_lite0():
    """As Google published it: EfficientNet-B0 with ReLU6, no squeeze and excitation, and a fixed stem and head."""
    from functools import partial

    import torch
    from torchvision.models import efficientnet, mobilenetv2

    blocks = [(1, 3, 1, 32, 16, 1), (6, 3, 2, 16, 24, 2), (6, 5, 2, 24, 40, 2), (6, 3, 2, 40, 80, 3), (6, 5, 1, 80, 112, 3), (6, 5, 2, 112, 192, 4), (6, 3, 1, 192, 320, 1)]

    class Block(torch.nn.Module):
        def __init__(self, expand, kernel, stride, cin, cout):
            super().__init__()
            act = partial(mobilenetv2.Conv2dNormActivation, activation_layer=torch.nn.ReLU6)
            wide = cin * expand
            layers = [act(cin, wide, 1)] if expand > 1 else []
            layers += [act(wide, wide, kernel, stride, groups=wide), mobilenetv2.Conv2dNormActivation(wide, cout, 1, activation_layer=None)]
            self.body, self.add = torch.nn.Sequential(*layers), stride == 1 and cin == cout

        def forward(self, x):
            return x + self.body(x) if self.add else self.body(x)

    layers = [mobilenetv2.Conv2dNormActivation(3, 32, 3, 2, activation_layer=torch.nn.ReLU6)]
    for expand, kernel, stride, cin, cout, n in blocks:
        layers += [Block(expand, kernel, stride if i == 0 else 1, cin if i == 0 else cout, cout) for i in range(n)]
    layers += [mobilenetv2.Conv2dNormActivation(320, 1280, 1, activation_layer=torch.nn.ReLU6), torch.nn.AdaptiveAvgPool2d(1), torch.nn.Flatten()]
    return torch.nn.Sequential(*layers, torch.nn.Linear(1280, 1000))


def unet():
    """Ronneberger et al. at half width: four levels, transposed convolutions up; averaged to ten classes."""
    import torch
    from torch import nn

    def double(cin, cout):
        layers = []
        for c in (cin, cout):
            layers += [nn.Conv2d(c, cout, 3, padding=1), nn.BatchNorm2d(cout), nn.ReLU()]
        return nn.Sequential(*layers)

    class UNet(nn.Module):
        def __init__(self):
            super().__init__()
            widths = [32, 64, 128, 256, 512]
            self.down = nn.ModuleList(double(a, b) for a, b in zip([3, *widths], widths))
            self.pool = nn.MaxPool2d(2)
            self.up = nn.ModuleList(nn.ConvTranspose2d(b, a, 2, 2) for a, b in zip(widths, widths[1:]))
            self.mix = nn.ModuleList(double(2 * w, w) for w in widths[:-1])
            self.head = nn.Conv2d(widths[0], 10, 1)

        def forward(self, x):
            kept = []
            for i, level in enumerate(self.down):
                x = level(x if i == 0 else self.pool(x))
                kept.append(x)
            for i in reversed(range(4)):
                x = self.mix[i](torch.cat([kept[i], self.up[i](x)], 1))
            return self.head(x).mean((2, 3))

    return UNet()


MODELS = {
    name: torchvision_model(name)
    for name in ("resnet18", "resnet50", "vgg16", "mobilenet_v2", "mobilenet_v3_large", "convnext_tiny", "densenet121", "squeezenet1_1", "vit_b_16")
} | {"efficientnet_lite0": efficientnet_lite0, "unet": unet}  # fmt: skip

if __name__ == "__main__":
    main()

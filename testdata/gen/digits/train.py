"""Train a convnet and a ViT on scikit-learn's handwritten digits: about three minutes.

Writes testdata/onnx/digits-cnn and testdata/onnx/digits-vit: model.onnx,
config.json, preprocessor_config.json and one test digit as digit.png. Digits
are 8x8; both nets see them enlarged to 32x32. Fails below 95 % on the test set.
"""

import json
import pathlib
import sys

import numpy as np
import sklearn.datasets
import torch
import torch.nn.functional as F
from PIL import Image
from torch import nn

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "models"))

from common import export  # noqa: E402

OUT = HERE.parents[1] / "onnx"
SIZE, MEAN, STD = 32, 0.3, 0.38
TEST = 360  # of 1797, the last ones: other writers than the first


class CNN(nn.Module):
    """Three times conv, BatchNorm, ReLU, max pooling; then two linear layers."""

    def __init__(self):
        super().__init__()
        layers = []
        for i, o in ((1, 16), (16, 32), (32, 32)):
            layers += [nn.Conv2d(i, o, 3, padding=1), nn.BatchNorm2d(o), nn.ReLU(), nn.MaxPool2d(2)]
        self.features = nn.Sequential(*layers)
        self.classifier = nn.Sequential(nn.Flatten(), nn.Linear(512, 64), nn.ReLU(), nn.Linear(64, 10))

    def forward(self, pixels):
        return self.classifier(self.features(pixels))


class ViT(nn.Module):
    """Patches of 4x4, a class token, pre-norm blocks with LayerNorm, attention and GELU."""

    def __init__(self, width=48, heads=4, depth=3):
        super().__init__()
        self.patches = nn.Conv2d(1, width, 4, stride=4)
        self.token = nn.Parameter(torch.zeros(1, 1, width))
        self.position = nn.Parameter(torch.randn(1, 65, width) * 0.02)
        self.blocks = nn.Sequential(*(Block(width, heads) for _ in range(depth)))
        self.norm = nn.LayerNorm(width)
        self.head = nn.Linear(width, 10)

    def forward(self, pixels):
        x = self.patches(pixels).flatten(2).transpose(1, 2)
        x = torch.cat((self.token.expand(x.shape[0], -1, -1), x), 1) + self.position
        return self.head(self.norm(self.blocks(x))[:, 0])


class Block(nn.Module):
    def __init__(self, width, heads):
        super().__init__()
        self.norm_1 = nn.LayerNorm(width)
        self.attention = nn.MultiheadAttention(width, heads, batch_first=True)
        self.norm_2 = nn.LayerNorm(width)
        self.mlp = nn.Sequential(nn.Linear(width, 2 * width), nn.GELU(), nn.Linear(2 * width, width))

    def forward(self, x):
        h = self.norm_1(x)
        x = x + self.attention(h, h, h, need_weights=False)[0]
        return x + self.mlp(self.norm_2(x))


def data():
    """Grey levels 0..255 as a PNG holds them, uint8 [n, 32, 32], and classes."""
    digits = sklearn.datasets.load_digits()
    pictures = [
        Image.fromarray((d * 255 / 16).round().astype(np.uint8)).resize((SIZE, SIZE), Image.BICUBIC)
        for d in digits.images
    ]
    return np.stack([np.asarray(p) for p in pictures]), digits.target


def tensor(pictures):
    return (torch.from_numpy(pictures)[:, None].float() / 255 - MEAN) / STD


def train(net, x, y, epochs, rate):
    optimizer = torch.optim.AdamW(net.parameters(), rate, weight_decay=0.05)
    steps = epochs * (len(x) // 64)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, rate, total_steps=steps, pct_start=0.1)
    net.train()
    for _ in range(epochs):
        order = torch.randperm(len(x))[: len(x) // 64 * 64].reshape(-1, 64)
        for rows in order:
            loss = F.cross_entropy(net(shift(x[rows])), y[rows], label_smoothing=0.05)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()
    return net.eval()


def shift(x):
    """Every picture moved by up to 3 pixels."""
    padded = F.pad(x, (3, 3, 3, 3), value=-MEAN / STD)
    at = torch.randint(0, 7, (len(x), 2)).tolist()
    return torch.stack([p[:, i : i + SIZE, j : j + SIZE] for p, (i, j) in zip(padded, at)])


def write(name, net, picture, label):
    """Model, sample and settings."""
    folder = OUT / name
    example = {"pixels": torch.zeros(2, 1, SIZE, SIZE)}
    common = {"outputs": ["logits"], "dynamic": {"pixels": {0: "batch"}}}
    export(net, example, folder / "model.onnx", **common)
    Image.fromarray(picture).save(folder / "digit.png", optimize=True)
    settings = {"architectures": [type(net).__name__], "id2label": {str(i): str(i) for i in range(10)}, "sample": label}
    dump(folder / "config.json", settings)
    dump(
        folder / "preprocessor_config.json",
        {
            "do_resize": True,
            "size": {"height": SIZE, "width": SIZE},
            "resample": 3,
            "do_rescale": True,
            "rescale_factor": 1 / 255,
            "do_normalize": True,
            "image_mean": [MEAN],
            "image_std": [STD],
            "num_channels": 1,
        },
    )


def dump(path, value):
    path.write_text(json.dumps(value, indent=1) + "\n")


def main():
    torch.manual_seed(0)
    torch.set_num_threads(1)  # small layers: more threads only wait for each other
    pictures, target = data()
    x, y = tensor(pictures), torch.from_numpy(target)
    sample = len(x) - TEST + next(i for i, t in enumerate(target[-TEST:]) if t == 3)
    for name, net, epochs, rate in (("digits-cnn", CNN(), 10, 3e-3), ("digits-vit", ViT(), 30, 2e-3)):
        train(net, x[:-TEST], y[:-TEST], epochs, rate)
        with torch.no_grad():
            logits = net(x[-TEST:])
            right = (logits.argmax(1) == y[-TEST:]).float().mean().item()
            chosen = net(x[sample : sample + 1]).argmax().item()
        print(f"{name}: {sum(p.numel() for p in net.parameters())} parameters, {right:.1%} of {TEST} test digits")
        if right < 0.95 or chosen != target[sample]:
            raise SystemExit("less than 95 %, or the sample is wrong: nothing written")
        write(name, net, pictures[sample], int(target[sample]))


if __name__ == "__main__":
    main()

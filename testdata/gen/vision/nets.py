"""Small nets of the families that convnets and vision transformers come from, with random weights."""

from functools import partial

import torch
import torch.nn.functional as F
import torchvision.models as tv
from torch import nn

COMPOSITES = ("epsilon-plus", "epsilon-plus-flat", "epsilon-gamma-box", "epsilon-alpha2-beta1")
ALL = ("gradient-input", "attnlrp", *COMPOSITES)


def mobilenet():
    """MobileNetV3: hard swish, and squeeze-and-excitation behind a hard sigmoid."""
    block = partial(tv.mobilenetv3.InvertedResidualConfig, dilation=1, width_mult=1.0)
    blocks = [block(8, 3, 8, 8, True, "RE", 2), block(8, 3, 16, 8, False, "HS", 1), block(8, 5, 16, 8, True, "HS", 2)]
    return tv.MobileNetV3(blocks, 16, num_classes=10)


def densenet():
    """Batch normalization before the convolutions as well as after them."""
    return tv.DenseNet(4, (2, 2), 8, num_classes=10)


class Residual(nn.Module):
    """A bottleneck with a shortcut, its convolutions with biases and batch normalization."""

    def __init__(self):
        super().__init__()
        self.stem = nn.Sequential(nn.Conv2d(3, 8, 3, 2, 1), nn.BatchNorm2d(8), nn.ReLU(), nn.MaxPool2d(3, 1, 1))
        self.body = nn.Sequential(
            nn.Conv2d(8, 6, 1), nn.BatchNorm2d(6), nn.ReLU6(),
            nn.Conv2d(6, 6, 3, 2, 1, groups=3), nn.BatchNorm2d(6), nn.ReLU6(), nn.Conv2d(6, 12, 1), nn.BatchNorm2d(12),
        )  # fmt: skip
        self.side = nn.Sequential(nn.AvgPool2d(2), nn.Conv2d(8, 12, 1), nn.BatchNorm2d(12))
        self.pool, self.head = nn.AdaptiveAvgPool2d(1), nn.Linear(12, 10)

    def forward(self, x):
        x = self.stem(x)
        return self.head(self.pool(F.relu(self.body(x) + self.side(x))).flatten(1))


class UNet(nn.Module):
    """Down and up again: transposed convolutions in groups, resizing, shortcuts that are concatenated."""

    def __init__(self):
        super().__init__()
        self.a = nn.Sequential(nn.Conv2d(3, 6, 3, padding=1, bias=False), nn.BatchNorm2d(6), nn.LeakyReLU(0.1))
        self.b = nn.Sequential(nn.MaxPool2d(2), nn.Conv2d(6, 8, 3, padding=1), nn.GroupNorm(2, 8), nn.ReLU())
        self.c = nn.Sequential(nn.MaxPool2d(2, ceil_mode=True), nn.Conv2d(8, 8, 3, padding=2, dilation=2), nn.ReLU())
        self.up = nn.Sequential(nn.ConvTranspose2d(8, 8, 4, 2, 1, groups=2), nn.BatchNorm2d(8), nn.ReLU())
        self.mix, self.head = nn.Conv2d(16, 6, 3, padding=1), nn.Conv2d(12, 4, 1)

    def forward(self, x):
        a = self.a(x)
        b = self.b(a)
        y = F.relu(self.mix(torch.cat([self.up(self.c(b)), b], 1)))
        y = F.interpolate(y, scale_factor=2, mode="bilinear", align_corners=False)
        return self.head(torch.cat([y, a], 1)).amax((2, 3))


class Channels(nn.Module):
    """ConvNeXt V2 by hand: layer norms over channels, layer scale, global response norm."""

    written_out = True  # the layer norms, as exported; else they are calls, for the reference to see

    def __init__(self):
        super().__init__()
        self.stem, self.depthwise = nn.Conv2d(3, 8, 2, 2), nn.Conv2d(8, 8, 5, padding=2, groups=8)
        self.up, self.down = nn.Conv2d(8, 16, 1), nn.Conv2d(16, 8, 1)
        self.gamma, self.beta = nn.Parameter(torch.ones(16)), nn.Parameter(torch.zeros(16))
        self.scale, self.head = nn.Parameter(torch.ones(8)), nn.Linear(8, 10)
        self.weights = nn.ParameterList(nn.Parameter(torch.ones(8)) for _ in range(2))
        self.biases = nn.ParameterList(nn.Parameter(torch.zeros(8)) for _ in range(2))

    def norm(self, x, i):
        if not self.written_out:
            return F.layer_norm(x.movedim(1, -1), (8,), self.weights[i], self.biases[i], 1e-6).movedim(-1, 1)
        mean = x.mean(1, keepdim=True)
        deviation = ((x - mean).pow(2).mean(1, keepdim=True) + 1e-6).sqrt()
        return (x - mean) / deviation * self.weights[i][:, None, None] + self.biases[i][:, None, None]

    def forward(self, x):
        x = self.norm(self.stem(x), 0)
        y = F.gelu(self.up(self.norm(self.depthwise(x), 1)))
        length = y.norm(p=2, dim=(2, 3), keepdim=True)
        y = y + y * (length / (length.mean(1, keepdim=True) + 1e-6)) * self.gamma[:, None, None] + self.beta[:, None, None]
        return self.head((x + self.down(y) * self.scale[:, None, None]).mean((2, 3)))


class Corners(nn.Module):
    """What convnets hold now and then."""

    def __init__(self):
        super().__init__()
        self.a = nn.Sequential(
            nn.ReflectionPad2d(1), nn.Conv2d(3, 8, 3), nn.Hardtanh(-1, 2), nn.AvgPool2d(3, 2, 1, ceil_mode=True, count_include_pad=False),
            nn.ZeroPad2d((0, 1, 0, 1)), nn.Conv2d(8, 8, 3, 2, groups=8), nn.Softplus(), nn.Conv2d(8, 12, (3, 1), padding=(1, 0)),
            nn.PReLU(12), nn.MaxPool2d(3, 1, 1, dilation=2), nn.ELU(), nn.PixelShuffle(2),
        )  # fmt: skip
        self.b = nn.Sequential(nn.Linear(3, 16, bias=False), nn.BatchNorm1d(16), nn.Hardswish(), nn.Linear(16, 10))

    def forward(self, x):
        x = torch.roll(self.a(x), (1, 1), (2, 3)).flip(3)
        p, q, r = x.chunk(3, 1)
        return self.b(torch.cat([r, p, q], 1).mean((2, 3)))


class Unnamed(nn.Module):
    """What exporters take apart: poolings to a size that does not divide, local response normalization, softsign; and a
    window that begins in the padding."""

    def __init__(self):
        super().__init__()
        self.a = nn.Sequential(
            nn.Conv2d(3, 8, 3, padding=1), nn.BatchNorm2d(8), nn.Softsign(), nn.LocalResponseNorm(3, alpha=0.5, beta=0.75, k=1.0),
            nn.MaxPool2d(3, 3, 1, ceil_mode=True), nn.Conv2d(8, 8, 3, padding=1), nn.ReLU(), nn.AdaptiveAvgPool2d((4, 3)),
        )  # fmt: skip
        self.b = nn.Sequential(nn.Linear(96, 10))

    def forward(self, x):
        return self.b(self.a(x).flatten(1))


def swin():
    """Shifted windows, relative positions, patches that are merged."""
    return tv.SwinTransformer([4, 4], 8, [2, 1], [2, 2], [2, 2], num_classes=10, stochastic_depth_prob=0.1)


# net, side of the picture, maps
NETS = {
    "mobilenet": (mobilenet, 24, ALL),
    "densenet": (densenet, 24, ALL),
    "residual": (Residual, 20, ALL),
    "unet": (UNet, 20, ALL),
    "channels": (Channels, 12, ("gradient-input", "attnlrp", "epsilon-plus")),
    "corners": (Corners, 20, ALL),
    "unnamed": (Unnamed, 17, ALL),
    "swin": (swin, 16, ("gradient-input", "attnlrp")),
}


def randomize(model, seed):
    """Weights and statistics that are neither 0 nor 1, so that leaving one out shows."""
    g = torch.Generator().manual_seed(seed)
    rand, normal = lambda p: torch.rand(p.shape, generator=g), lambda p: torch.randn(p.shape, generator=g)
    with torch.no_grad():
        for name, p in model.named_parameters():
            if p.dim() > 1:
                p.copy_(normal(p) * 1.5 / p[0].numel() ** 0.5)
            elif p.numel() > 1:
                p.copy_(normal(p) * 0.2 if name.endswith("bias") or ".biases." in name else 0.5 + rand(p))
        for m in model.modules():
            if isinstance(m, nn.modules.batchnorm._BatchNorm):
                m.running_mean.copy_(normal(m.running_mean) * 0.2)
                m.running_var.copy_(0.5 + rand(m.running_var))
    return model.eval()

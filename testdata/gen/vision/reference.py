"""Relevance of any PyTorch model in float64: a rule for every call of a torch function.

An ONNX graph holds operators, not modules, so the rules are put where functions are called: `x.mean((2, 3))` is a
pooling as nn.AdaptiveAvgPool2d is. Where a model is made of modules only, this is what a composite of zennit with
its canonizer for batch normalization does. Nothing here is shared with lxtc.

    relevance(model, inputs, target, "epsilon-plus")      a map of lxtc, in its form of FORM
"""

import math

import torch
import torch.nn.functional as F
import zennit.rules
from torch import nn
from torch.overrides import TorchFunctionMode

FORM = {
    "gradient-input": "gradient", "attnlrp": "gradient", "epsilon-plus": "explicit", "epsilon-plus-flat": "explicit",
    "epsilon-gamma-box": "explicit", "epsilon-alpha2-beta1": "explicit",
}  # fmt: skip
LOW, HIGH = [-2.1179, -2.0357, -1.8044], [2.2489, 2.4286, 2.64]  # of pixels, as in epsilon-gamma-box.rules
ACTIVATIONS = set(
    "relu leaky_relu elu selu celu gelu silu hardswish mish softplus hardtanh relu6 sigmoid tanh hardsigmoid prelu clamp "
    "erf softsign clamp_min threshold".split()
)
POOLINGS = {"mean"} | {f"{kind}_pool{d}d" for kind in ("avg", "adaptive_avg") for d in (1, 2, 3)}
PRODUCTS = {"matmul", "__matmul__", "bmm", "einsum"}
CONVOLUTIONS = {f"{f}{d}d": getattr(nn, f"{c}{d}d") for f, c in (("conv", "Conv"), ("conv_transpose", "ConvTranspose")) for d in (1, 2, 3)}


def relevance(model, inputs, target, map_):
    """Of the first input, if model(*inputs)[target] is explained; and the outputs."""
    inputs = [t.double() if t.is_floating_point() else t for t in inputs]
    x = inputs[0].clone().requires_grad_()
    for p in model.parameters():
        p.requires_grad_(False)
    with Rules(Plain()) as first:
        model(x, *inputs[1:])
    with Rules(MAPS[map_](), first.reads):
        y = model(x, *inputs[1:])
    score = y[tuple(target)]
    if FORM[map_] == "gradient":
        (g,) = torch.autograd.grad(score, x)
        return (g * x).detach(), y.detach()
    (r,) = torch.autograd.grad(score, x, score.detach())
    return r, y.detach()


class Rules(TorchFunctionMode):
    """Hands every call to a map, with attention taken apart and batch normalization merged into what is before it.

    It is not merged if something else reads the same result, as a shortcut does: that must stay. How often the results of
    linear calls are read is counted in a run before.
    """

    def __init__(self, map_, reads=None):
        super().__init__()
        self.map, self.made, self.reads, self.counted = map_, [], [], reads

    def __torch_function__(self, func, types, args=(), kwargs=None):
        name, kwargs = getattr(func, "__name__", str(func)), dict(kwargs or {})
        if name not in ("__get__", "size", "dim", "numel"):
            for i, (y, _, _) in enumerate(self.made):
                self.reads[i] += sum(a is y for a in (*args, *kwargs.values()))
        if name in ("multi_head_attention_forward", "scaled_dot_product_attention"):
            with self:
                return (packed_attention if name[0] == "m" else attention)(*args, **kwargs)
        if name == "batch_norm":
            return self.batch_norm(func, args, kwargs)
        if (name == "linear" or name in CONVOLUTIONS) and live(args[0] if args else kwargs["input"]):
            how = arguments(name, args, kwargs)
            y = self.map.linear(name, how)
            self.made.append((y, name, how))
            self.reads.append(0)
            return y
        if name.rstrip("_") in ACTIVATIONS and live(args[0]):
            kwargs.pop("inplace", None)
            rest = [a for a in args[1:] if not isinstance(a, bool)]
            name = name.rstrip("_")
            plain = getattr(torch, name, None) or getattr(F, name)
            return self.map.activation(lambda x: plain(x, *rest, **kwargs), args[0])
        return self.map.call(func, name, args, kwargs)

    def batch_norm(self, func, args, kwargs):
        order = ["input", "running_mean", "running_var", "weight", "bias", "training", "momentum", "eps"]
        if func is torch.batch_norm:
            order = ["input", "weight", "bias", "running_mean", "running_var", "training", "momentum", "eps"]
        a = dict(zip(order, args)) | kwargs
        if a["running_var"] is None:  # the standardization of weights
            return func(*args, **kwargs)
        factor = torch.rsqrt(a["running_var"] + a["eps"])
        factor = factor if a["weight"] is None else factor * a["weight"]
        shift = (0 if a["bias"] is None else a["bias"]) - a["running_mean"] * factor
        x = a["input"]
        for i, (y, name, how) in enumerate(self.made):
            if y is x and (self.counted is None or self.counted[i] == 1):
                return self.map.linear(name, scaled(name, how, factor, shift))
        shape = [1, -1] + [1] * (x.dim() - 2)
        return self.map.norm(lambda x: x * factor.reshape(shape) + shift.reshape(shape), x)


def live(t):
    return isinstance(t, torch.Tensor) and t.is_floating_point() and t.requires_grad


def arguments(name, args, kwargs):
    """Of a call of F.linear or a convolution, by name."""
    order, a = ["input", "weight", "bias"], {"bias": None}
    if name != "linear":
        transposed = "transpose" in name
        order += ["stride", "padding"] + (["output_padding", "groups", "dilation"] if transposed else ["dilation", "groups"])
        a |= {"stride": 1, "padding": 0, "dilation": 1, "groups": 1} | ({"output_padding": 0} if transposed else {})
    return a | dict(zip(order, args)) | kwargs


def scaled(name, how, factor, shift):
    """The arguments whose result is factor times that of how, plus shift."""
    w, g = how["weight"], how.get("groups", 1)
    if "transpose" in name:  # [in, out / groups, ...]
        by_input = factor.reshape(g, 1, -1).expand(g, len(w) // g, -1).reshape(w.shape[:2])
        w = w * by_input.reshape(*w.shape[:2], *[1] * (w.dim() - 2))
    else:
        w = w * factor.reshape(-1, *[1] * (w.dim() - 1))
    return how | {"weight": w, "bias": shift if how["bias"] is None else how["bias"] * factor + shift}


class Plain:
    """No rule changes a derivative."""

    def linear(self, name, how):
        return getattr(F, name)(**how)

    def activation(self, f, x):
        return f(x)

    def norm(self, f, x):
        return f(x)

    def call(self, func, name, args, kwargs):
        return func(*args, **kwargs)


class Composite(Plain):
    """A composite of zennit: relevance in the place of gradients, and gradients where no rule is."""

    def __init__(self, conv, first=None, first_dense=False):
        self.conv, self.first, self.first_dense, self.source = conv, first, first_dense, None

    def linear(self, name, how):
        rule = zennit.rules.Epsilon(1e-6) if name == "linear" else self.conv
        self.source = how["input"] if self.source is None else self.source
        if self.first and how["input"] is self.source and (self.first_dense or name != "linear"):
            rule = self.first
        return hooked(layer(name, how), rule, how["input"])

    def activation(self, f, x):
        return hooked(Function(f), zennit.rules.Pass(), x)

    norm = activation

    def call(self, func, name, args, kwargs):
        if name in POOLINGS and live(args[0]):
            return hooked(Function(lambda x: func(x, *args[1:], **kwargs)), zennit.rules.Norm(1e-6), args[0])
        if name in PRODUCTS and name != "einsum" and live(args[0]) and not live(args[1]):
            return hooked(Function(lambda x: func(x, args[1])), zennit.rules.Epsilon(1e-6), args[0])
        return func(*args, **kwargs)


class Function(nn.Module):
    def __init__(self, f):
        super().__init__()
        self.f = f

    def forward(self, x):
        return self.f(x)


def layer(name, how):
    """A module that does what the call does; rules of zennit change its weights."""
    w, rest = how["weight"], {k: v for k, v in how.items() if k not in ("input", "weight", "bias")}
    with_bias = how["bias"] is not None
    if name == "linear":
        m = nn.Linear(w.shape[1], w.shape[0], bias=with_bias)
    else:
        many = w.shape[1] * how["groups"]
        channels = (w.shape[0], many) if "transpose" in name else (many, w.shape[0])
        m = CONVOLUTIONS[name](*channels, tuple(w.shape[2:]), bias=with_bias, **rest)
    m.weight = nn.Parameter(w.detach().clone(), requires_grad=False)
    if with_bias:
        m.bias = nn.Parameter(how["bias"].detach().clone(), requires_grad=False)
    return m


def hooked(module, rule, x):
    rule.copy().register(module)
    return module(x)


class AttnLRP(Plain):
    """AttnLRP in gradient form (Achtibat et al. 2024): changes of derivatives."""

    def activation(self, f, x):
        with torch.no_grad():
            return_ = f(x.clone())
        return x * ratio(return_, x)

    def call(self, func, name, args, kwargs):
        if not args:
            return func(*args, **kwargs)
        x = args[0]
        if name in ("mul", "__mul__", "__rmul__", "mul_", "__imul__", "multiply") and live(x) and live(args[1]):
            return torch.mul(Half.apply(x), Half.apply(args[1]))
        if name in PRODUCTS - {"einsum"} and live(x) and live(args[1]):
            return torch.matmul(Half.apply(x), Half.apply(args[1]))
        if name == "einsum" and len(args) == 3 and live(args[1]) and live(args[2]):
            return func(x, Half.apply(args[1]), Half.apply(args[2]))
        if name in ("layer_norm", "group_norm", "instance_norm", "rms_norm"):
            return NORMS[name](*args, **kwargs)
        if name == "normalize":  # the length is a constant
            return x / norm_of(x, *args[1:], **kwargs).detach()
        if name == "local_response_norm":
            with torch.no_grad():
                return_ = func(*args, **kwargs)
            return x * ratio(return_, x)
        if name in ("pow", "__pow__") and live(x) and not live(args[1]):
            return x * ratio(x ** args[1], x)
        return func(*args, **kwargs)


class Half(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        return x.view_as(x)

    @staticmethod
    def backward(ctx, g):
        return g / 2


def ratio(y, x):
    return torch.where(x == 0, torch.zeros_like(x), y / torch.where(x == 0, torch.ones_like(x), x)).detach()


def norm_of(x, p=2.0, dim=1, eps=1e-12, **_):
    return x.norm(p, dim, keepdim=True).clamp_min(eps)


def standardized(x, axes, eps):
    """The deviation is a constant."""
    d = x - x.mean(axes, keepdim=True)
    return d * torch.rsqrt((d * d).mean(axes, keepdim=True) + eps).detach()


def layer_norm(input, normalized_shape, weight=None, bias=None, eps=1e-5):
    y = standardized(input, list(range(-len(normalized_shape), 0)), eps)
    return affine(y, weight, bias, [-1])


def rms_norm(input, normalized_shape, weight=None, eps=None):
    axes = list(range(-len(normalized_shape), 0))
    eps = torch.finfo(input.dtype).eps if eps is None else eps
    return affine(input * torch.rsqrt((input * input).mean(axes, keepdim=True) + eps).detach(), weight, None, [-1])


def group_norm(input, num_groups, weight=None, bias=None, eps=1e-5, **_):
    y = standardized(input.reshape(len(input), num_groups, -1), [-1], eps).reshape(input.shape)
    return affine(y, weight, bias, [1, -1] + [1] * (input.dim() - 2))


def instance_norm(input, running_mean=None, running_var=None, weight=None, bias=None, use_input_stats=True, momentum=0.1, eps=1e-5, **_):
    y = standardized(input, list(range(2, input.dim())), eps)
    return affine(y, weight, bias, [1, -1] + [1] * (input.dim() - 2))


NORMS = {f.__name__: f for f in (layer_norm, group_norm, instance_norm, rms_norm)}


def affine(y, weight, bias, shape):
    y = y if weight is None else y * weight.reshape(shape)
    return y if bias is None else y + bias.reshape(shape)


def attention(query, key, value, attn_mask=None, dropout_p=0.0, is_causal=False, scale=None, enable_gqa=False):
    scores = torch.matmul(query * (scale or 1 / math.sqrt(query.shape[-1])), key.transpose(-1, -2))
    if is_causal:
        attn_mask = torch.full(scores.shape[-2:], -math.inf, dtype=query.dtype).triu(1)
    if attn_mask is not None:
        scores = scores.masked_fill(~attn_mask, -math.inf) if attn_mask.dtype == torch.bool else scores + attn_mask
    return torch.matmul(torch.softmax(scores, -1), value)


def packed_attention(query, key, value, width, heads, in_w, in_b, bias_k, bias_v, zero, drop, out_w, out_b, attn_mask=None, **how):
    """nn.MultiheadAttention of one width, without padding."""
    if how.get("use_separate_proj_weight"):
        ws = [how[f"{n}_proj_weight"] for n in "qkv"]
    else:
        ws = in_w.chunk(3)
    bs = (None,) * 3 if in_b is None else in_b.chunk(3)
    heads_of = lambda t: t.reshape(len(t), -1, width // heads).transpose(0, 1)
    q, k, v = (heads_of(F.linear(t, w, b)) for t, w, b in zip((query, key, value), ws, bs))
    y = attention(q, k, v, attn_mask).transpose(0, 1).reshape(query.shape)
    return F.linear(y, out_w, out_b), None


def gamma_box():
    box = {k: torch.tensor(v).double().reshape(1, -1, 1, 1) for k, v in (("low", LOW), ("high", HIGH))}
    return Composite(zennit.rules.Gamma(0.25, 1e-6), zennit.rules.ZBox(**box, stabilizer=1e-6))


MAPS = {
    "gradient-input": Plain,
    "attnlrp": AttnLRP,
    "epsilon-plus": lambda: Composite(zennit.rules.ZPlus(1e-6)),
    "epsilon-plus-flat": lambda: Composite(zennit.rules.ZPlus(1e-6), zennit.rules.Flat(1e-6), first_dense=True),
    "epsilon-gamma-box": gamma_box,
    "epsilon-alpha2-beta1": lambda: Composite(zennit.rules.AlphaBeta(2, 1, 1e-6)),
}

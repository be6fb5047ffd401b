"""Rules for convnets in explicit form: epsilon, gamma, z+, alpha-beta, flat, z-box.

x+, x- are the positive and negative parts of x, and so for W and b. Every rule
is a sum over variants (x', W', b') of the input and the parameters:

    R_x = sum  x' * W'^T(n),   n = R / s(z'),   z' = the result with x', W', b'

s is sign-aware with eps 1e-6. Sources: Bach et al. 2015 (epsilon, alpha-beta),
Montavon et al. 2017 (z-box, z+), Montavon et al. 2019 (gamma), Lapuschkin et al.
2019 (flat). Biases take part as in zennit.
"""

import torch
import torch.nn.functional as F

LOW, HIGH = -2.0, 2.0  # the range of pixels that z-box assumes
GAMMA = 0.25

# (rule of the first convolution, of the others, of linear layers)
COMPOSITES = {
    "epsilon": ("epsilon", "epsilon", "epsilon"),
    "epsilon_plus": ("zplus", "zplus", "epsilon"),
    "epsilon_alpha2_beta1": ("alpha2_beta1", "alpha2_beta1", "epsilon"),
    "epsilon_plus_flat": ("flat", "zplus", "epsilon"),
    "epsilon_gamma_box": ("zbox", "gamma", "epsilon"),
}


def stable(z):
    return z + 1e-6 * torch.where(z < 0, -1.0, 1.0).to(z.dtype)


def pos(t):
    return t.clamp(min=0)


def neg(t):
    return t.clamp(max=0)


class Layer:
    """A convolution or linear layer z = f(x, W) + b."""

    def __init__(self, w, b, **how):
        self.w, self.b, self.how = w, b, how

    def f(self, x, w, b=None):
        if w.dim() == 2:
            return F.linear(x, w, b)
        return F.conv2d(x, w, b, **self.how)

    def back(self, x, w, n):
        """x * W^T n."""
        x = x.detach().requires_grad_()
        with torch.enable_grad():
            z = self.f(x, w)
        return x.detach() * torch.autograd.grad(z, x, n)[0]


def epsilon(l, x, r):
    return l.back(x, l.w, r / stable(l.f(x, l.w, l.b)))


def zplus(l, x, r):
    z = l.f(pos(x), pos(l.w), pos(l.b)) + l.f(neg(x), neg(l.w))
    n = r / stable(z)
    return l.back(pos(x), pos(l.w), n) + l.back(neg(x), neg(l.w), n)


def alpha2_beta1(l, x, r):
    z = l.f(pos(x), neg(l.w), neg(l.b)) + l.f(neg(x), pos(l.w))
    n = r / stable(z)
    return 2 * zplus(l, x, r) - l.back(pos(x), neg(l.w), n) - l.back(neg(x), pos(l.w), n)


def flat(l, x, r):
    one, w = torch.ones_like(x), torch.ones_like(l.w)
    return l.back(one, w, r / stable(l.f(one, w)))


def zbox(l, x, r):
    low, high = torch.full_like(x, LOW), torch.full_like(x, HIGH)
    z = l.f(x, l.w) - l.f(low, pos(l.w)) - l.f(high, neg(l.w))
    n = r / stable(z)
    return l.back(x, l.w, n) - l.back(low, pos(l.w), n) - l.back(high, neg(l.w), n)


def gamma(l, x, r):
    """Positive results keep W + gamma W+ on x+ and W + gamma W- on x-; negative ones the mirror image."""
    up, down = l.w + GAMMA * pos(l.w), l.w + GAMMA * neg(l.w)
    y = l.f(x, l.w, l.b)
    zu = l.f(pos(x), up, l.b + GAMMA * pos(l.b)) + l.f(neg(x), down)
    zd = l.f(pos(x), down, l.b + GAMMA * neg(l.b)) + l.f(neg(x), up)
    nu = torch.where(y > 0, r / stable(zu), 0)
    nd = torch.where(y < 0, r / stable(zd), 0)
    return l.back(pos(x), up, nu) + l.back(neg(x), down, nu) + l.back(pos(x), down, nd) + l.back(neg(x), up, nd)


RULES = {f.__name__: f for f in (epsilon, zplus, alpha2_beta1, flat, zbox, gamma)}


class Ruled(torch.autograd.Function):
    """A layer's result, with its rule as the backward."""

    @staticmethod
    def forward(ctx, rule, layer, x):
        ctx.rule, ctx.layer = rule, layer
        ctx.save_for_backward(x)
        return layer.f(x, layer.w, layer.b)

    @staticmethod
    def backward(ctx, r):
        (x,) = ctx.saved_tensors
        return None, None, RULES[ctx.rule](ctx.layer, x, r)


class PassReLU(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        return x.clamp(min=0)

    @staticmethod
    def backward(ctx, r):
        return r


def vgg(composite, layers, x):
    """Convolutions ("pool": 2x2 max pooling, winner takes all) and ReLU, then linear layers; logits."""
    first, others, linear = COMPOSITES[composite]
    seen = False
    last = layers[-1]
    for l in layers:
        if l == "pool":
            x = F.max_pool2d(x, 2)
            continue
        dense = l.w.dim() == 2
        if dense:
            x = x.flatten(1)
        x = Ruled.apply(linear if dense else others if seen else first, l, x)
        seen = True
        if l is not last:
            x = PassReLU.apply(x)
    return x

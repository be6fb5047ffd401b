"""AttnLRP and CP-LRP in explicit form: autograd carries relevance itself.

Every operator is a torch.autograd.Function whose backward is its relevance
formula, R the relevance of its result z and s(z) the stabiliser:

    linear, conv     R_x = x * W^T(R / s(z)); the bias keeps its share
    a + b            R_a = a * R / s(z), R_b = b * R / s(z)
    q x k, a x v     R_a = a * (R / 2 s(z)) b^T, and so for b; CP-LRP: R_v = v * a^T(R / s(z))
    softmax          R_x = x * (R - z sum R)
    act, RMSNorm, constant factor      R_x = R
    act(g) x u       R / 2 to each; CP-LRP: R to u
    LayerNorm        R_x = x * J^T(R / s(z)), J the Jacobian with sigma held constant

s(z) is z + eps * sign(z) with sign(0) = 1, or z + eps with plus=True, which is
how LXT writes it. EPS is LXT's for LLaMA (its matmul writes 2 z + 1e-8 for q x k,
hence 5e-9 here).
"""

import torch
import torch.nn.functional as F

EPS = {
    "linear": 1e-8,
    "conv": 1e-8,
    "add": 1e-8,
    "scores": 5e-9,
    "attend": 1e-6,
    "attend_cp": 1e-8,
    "layer_norm": 1e-6,
}


class Explicit:
    name = "explicit"

    def __init__(self, cp, plus=False, eps=EPS):
        self.cp = cp
        self.plus = plus
        self.eps = eps

    def seed(self, y, index):
        """The relevance that starts the reverse walk: the target's own value."""
        r = torch.zeros_like(y)
        r[index] = y[index]
        return r

    def relevance(self, x, carried):
        return carried

    def stable(self, z, op):
        if self.plus:
            return z + self.eps[op]
        return z + self.eps[op] * torch.where(z < 0, -1.0, 1.0).to(z.dtype)

    def linear(self, x, w, b=None):
        return Share.apply(lambda t: F.linear(t, w, b), lambda z: self.stable(z, "linear"), x)

    def conv(self, x, w, b, **how):
        return Share.apply(lambda t: F.conv2d(t, w, b, **how), lambda z: self.stable(z, "conv"), x)

    def add(self, a, b):
        return Share.apply(torch.add, lambda z: self.stable(z, "add"), a, b)

    def scale(self, x, c):
        return Identity.apply(lambda t: t * c, x)

    def activation(self, f, x):
        return Identity.apply(f, x)

    def gated(self, f, g, u):
        if self.cp:
            return Identity.apply(lambda t: f(g.detach()) * t, u)
        return Halves.apply(Identity.apply(f, g), u)

    def scores(self, q, k):
        if self.cp:
            return q.detach() @ k.detach().transpose(-1, -2)
        return Share.apply(lambda a, b: a @ b.transpose(-1, -2), lambda z: 2 * self.stable(z, "scores"), q, k)

    def softmax(self, x):
        return Softmax.apply(x)

    def attend(self, a, v):
        if self.cp:
            a = a.detach()
            return Share.apply(lambda t: a @ t, lambda z: self.stable(z, "attend_cp"), v)
        return Share.apply(torch.matmul, lambda z: 2 * self.stable(z, "attend"), a, v)

    def rms_norm(self, x, w, eps):
        return Identity.apply(lambda t: t * torch.rsqrt((t * t).mean(-1, keepdim=True) + eps) * w, x)

    def layer_norm(self, x, w, b, eps):
        sigma = torch.sqrt(x.detach().var(-1, correction=0, keepdim=True) + eps)
        return Share.apply(
            lambda t: (t - t.mean(-1, keepdim=True)) / sigma * w + b, lambda z: self.stable(z, "layer_norm"), x
        )


class Share(torch.autograd.Function):
    """z = f(x, ...) with R_x = x * J_x^T(R / s(z)) for every x."""

    @staticmethod
    def forward(ctx, f, stable, *xs):
        ctx.f, ctx.stable = f, stable
        ctx.save_for_backward(*xs)
        return f(*xs)

    @staticmethod
    def backward(ctx, r):
        xs = [x.detach().requires_grad_() for x in ctx.saved_tensors]
        with torch.enable_grad():
            z = ctx.f(*xs)
        gs = torch.autograd.grad(z, xs, r / ctx.stable(z.detach()))
        return None, None, *(x.detach() * g for x, g in zip(xs, gs))


class Identity(torch.autograd.Function):
    """z = f(x) with R_x = R."""

    @staticmethod
    def forward(ctx, f, x):
        return f(x)

    @staticmethod
    def backward(ctx, r):
        return None, r


class Halves(torch.autograd.Function):
    """z = a * b with R_a = R_b = R / 2."""

    @staticmethod
    def forward(ctx, a, b):
        return a * b

    @staticmethod
    def backward(ctx, r):
        return r / 2, r / 2


class Softmax(torch.autograd.Function):
    """R_x = x * (R - z sum R) over the last axis; nothing to masked (-inf) entries."""

    @staticmethod
    def forward(ctx, x):
        z = x.softmax(-1)
        ctx.save_for_backward(x, z)
        return z

    @staticmethod
    def backward(ctx, r):
        x, z = ctx.saved_tensors
        x = torch.where(torch.isinf(x), torch.zeros_like(x), x)
        return x * (r - z * r.sum(-1, keepdim=True))

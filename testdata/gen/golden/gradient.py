"""AttnLRP and CP-LRP in gradient form: autograd carries g, relevance is x * g.

A locally linear operator needs no rule, its own derivative is one. What remains
are the rules below (AttnLRP, arXiv 2402.05602; "x" is a product of two live
tensors, "|" stops the gradient):

    softmax          its derivative                             proposition 3.1
    q x k, a x v     half of the gradient to each side          proposition 3.3
    act(g) x u       half of the gradient to each side          proposition 3.2
    act(x)           x * |act(x) / x|                           equation 9
    RMSNorm          x * |1 / rms(x)|                           proposition 3.4
    LayerNorm        (x - mean) * |1 / sigma|
    CP-LRP           |softmax x v and |act(g) x u: all of the relevance to v and u
"""

import torch
import torch.nn.functional as F


class Gradient:
    name = "gradient"

    def __init__(self, cp):
        self.cp = cp

    def seed(self, y, index):
        """The gradient that starts the reverse walk: 1 at the target."""
        g = torch.zeros_like(y)
        g[index] = 1
        return g

    def relevance(self, x, carried):
        return x * carried

    def linear(self, x, w, b=None):
        return F.linear(x, w, b)

    def conv(self, x, w, b, **how):
        return F.conv2d(x, w, b, **how)

    def add(self, a, b):
        return a + b

    def scale(self, x, c):
        """Times a constant, which may be a tensor."""
        return x * c

    def activation(self, f, x):
        return x * ratio(f, x)

    def gated(self, f, g, u):
        if self.cp:
            return f(g).detach() * u
        return half(self.activation(f, g) * u)

    def scores(self, q, k):
        if self.cp:
            q, k = q.detach(), k.detach()
        return half(q @ k.transpose(-1, -2))

    def softmax(self, x):
        return x.softmax(-1)

    def attend(self, a, v):
        if self.cp:
            return a.detach() @ v
        return half(a @ v)

    def rms_norm(self, x, w, eps):
        return x * torch.rsqrt((x * x).mean(-1, keepdim=True) + eps).detach() * w

    def layer_norm(self, x, w, b, eps):
        centred = x - x.mean(-1, keepdim=True)
        sigma = torch.sqrt((centred * centred).mean(-1, keepdim=True) + eps)
        return centred / sigma.detach() * w + b


def ratio(f, x):
    """act(x) / x without a gradient; every activation here has the limit act'(0) at 0."""
    at0 = torch.zeros((), dtype=x.dtype, requires_grad=True)
    (slope,) = torch.autograd.grad(f(at0), at0)
    zero = x == 0
    return torch.where(zero, slope, f(x) / torch.where(zero, torch.ones_like(x), x)).detach()


def half(x):
    """x forward, half of the gradient back."""
    return x / 2 + (x / 2).detach()

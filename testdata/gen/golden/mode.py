"""AttnLRP and CP-LRP in gradient form, for any PyTorch module as it is.

A mode of torch watches the functions that a module calls, and gives them the
derivatives that the rules demand (gradient.py lists them). "Live" is what
depends on the explained tensors:

    live x live             half of the gradient to each side: products, matrix products
    act(x)                  x * |act(x) / x|, "|" stops the gradient
    softmax(x)              its derivative; CP-LRP: a constant
    act(g) x u              CP-LRP: a constant times u
    x / root of a sum       the root is a constant: RMSNorm, LayerNorm, x / ||x||

Everything else that modules do is linear, or moves data. Single precision
within a module (norms, softmax, angles) is lifted to double.
"""

import functools
import re
import sys

import torch
import torch.nn.functional as F
from gradient import half, ratio
from torch.overrides import TorchFunctionMode

T = torch.Tensor
PRODUCTS = {torch.mul, T.mul, T.__mul__, T.__rmul__, T.mul_, T.__imul__, torch.multiply}
MATRIX_PRODUCTS = {torch.matmul, T.matmul, T.__matmul__, torch.bmm, T.bmm}
ACTIVATIONS = {
    torch.relu, T.relu, F.relu, F.silu, F.gelu, torch.tanh, T.tanh, F.tanh, torch.sigmoid, T.sigmoid, F.sigmoid,
    F.softplus, F.mish, F.elu, F.leaky_relu, F.hardswish, F.relu6, F.selu, T.erf, torch.erf, F.hardsigmoid,
}  # fmt: skip
POWERS = {torch.pow, T.pow, T.__pow__, torch.square, T.square}
SOFTMAXES = {F.softmax, T.softmax, torch.softmax}
SIZES = {torch.rsqrt, T.rsqrt, torch.sqrt, T.sqrt, torch.norm, T.norm, torch.linalg.vector_norm}
CASTS = {T.to, T.float, T.bfloat16, T.half, T.type}
LOW = (torch.float32, torch.float16, torch.bfloat16)

# Activations that modules write out in several operations.
SPELLED = re.compile(r"gelu|activation", re.I)


class Rules(TorchFunctionMode):
    """Gives functions the derivatives of AttnLRP, or of CP-LRP."""

    def __init__(self, cp):
        super().__init__()
        self.cp = cp

    def __torch_function__(self, func, types, args=(), kwargs=None):
        kwargs = kwargs or {}
        call = functools.partial(func, *args, **kwargs)
        x = args[0] if args else kwargs.get("input")
        if func in CASTS:
            given = [*args[1:], *kwargs.values()]
            low = func in (T.float, T.bfloat16, T.half) or any(isinstance(w, torch.dtype) and w in LOW for w in given)
            return x.double() if low else call()
        if func in PRODUCTS and live(x) and live(args[1]):
            a, b = args
            if self.cp and is_activation(a):
                return a.detach() * b
            if self.cp and is_activation(b):
                return a * b.detach()
            return half(call())
        if func in MATRIX_PRODUCTS and live(x) and live(args[1]):
            return half(call())
        if func is torch.einsum and all(map(live, operands := args[1:])) and len(operands) > 1:
            return half(call())
        if func in (torch.baddbmm, T.baddbmm):
            return baddbmm(*args, **kwargs)
        if func in ACTIVATIONS and live(x):
            return identity(lambda t: func(t, *args[1:], **kwargs), x)
        if func in POWERS and live(x):
            if len(args) > 1 and abs(args[1]) == 0.5:
                return call().detach()
            return identity(lambda t: func(t, *args[1:], **kwargs), x)
        if func in SOFTMAXES and live(x):
            kwargs.pop("dtype", None)
            y = func(*args, **kwargs)
            return y.detach() if self.cp else y
        if func in SIZES:
            return call().detach()
        if func is F.layer_norm and live(x):
            return layer_norm(*args, **kwargs)
        if func is F.normalize:
            return x / x.detach().norm(dim=kwargs.get("dim", 1), keepdim=True).clamp(min=1e-12)
        if func is F.scaled_dot_product_attention:
            raise NotImplementedError("fused attention hides its products: use eager")
        return call()


def live(x):
    return isinstance(x, T) and x.requires_grad


def identity(f, x):
    """f(x), whose relevance is that of x."""
    y = x * ratio(f, x.detach())
    y.is_activation = True
    return y


def is_activation(x):
    return getattr(x, "is_activation", False)


def baddbmm(input, batch1, batch2, beta=1, alpha=1):
    return input * beta + half(torch.bmm(batch1, batch2)) * alpha


def layer_norm(x, shape, weight=None, bias=None, eps=1e-5):
    centred = x - x.mean(-1, keepdim=True)
    y = centred / (centred * centred).detach().mean(-1, keepdim=True).add(eps).sqrt()
    y = y if weight is None else y * weight
    return y if bias is None else y + bias


def patch(model):
    """Count activations that are written out as the single functions they are."""
    code = sys.modules[type(model).__module__]
    if hasattr(code, "gelu"):  # ESM's is a function
        code.gelu = F.gelu
    for m in model.modules():
        if SPELLED.search(type(m).__name__) and not list(m.children()):
            m.forward = functools.partial(spelled, m.forward)
        if type(m).__name__ == "GptOssExperts":
            m._apply_gate = functools.partial(gpt_oss_gate, m)


def spelled(f, x):
    with torch._C.DisableTorchFunction():
        return identity(f, x) if live(x) else f(x)


def gpt_oss_gate(experts, gate_up):
    gate = gate_up[..., ::2].clamp(max=experts.limit)
    up = gate_up[..., 1::2].clamp(min=-experts.limit, max=experts.limit)
    return (up + 1) * spelled(lambda t: t * torch.sigmoid(t * experts.alpha), gate)


def relevance(run, seed, embeddings, cp):
    """The result of run(), and the relevance of every result of the modules embeddings.

    seed(result) is the gradient that the reverse walk starts with.
    """
    leaves = []

    def explain(module, given, result):
        leaves.append(result.detach().requires_grad_())
        return leaves[-1].clone()  # some models add to it in place

    hooks = [e.register_forward_hook(explain) for e in embeddings]
    try:
        with Rules(cp):
            y = run()
        gradients = torch.autograd.grad(y, leaves, seed(y.detach()))
    finally:
        for h in hooks:
            h.remove()
    return y.detach(), [(x.detach() * g).numpy() for x, g in zip(leaves, gradients)]

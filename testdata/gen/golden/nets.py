"""LLaMA, BERT and GPT-2 written once, against the rules of gradient.py or explicit.py.

Each takes rules r, weights w by the name transformers gives them, the
transformers config c and the embeddings x [batch, sequence, hidden]; returns
logits and the residual stream after every layer. Masks are -inf on scores.
"""

import math

import torch
import torch.nn.functional as F


def llama(r, w, c, x):
    heads, groups = c.num_attention_heads, c.num_key_value_heads
    mask = causal(x)
    cos, sin = rotary(c, x)
    stream = []
    for i in range(c.num_hidden_layers):
        p = f"model.layers.{i}."
        h = r.rms_norm(x, w[p + "input_layernorm.weight"], c.rms_norm_eps)
        q, k, v = (r.linear(h, w[p + f"self_attn.{n}_proj.weight"]) for n in "qkv")
        q = rotate(r, split(q, heads), cos, sin)
        k = rotate(r, split(k, groups), cos, sin)
        k, v = (t.repeat_interleave(heads // groups, 1) for t in (k, split(v, groups)))
        h = merge(attention(r, q, k, v, mask))
        x = r.add(x, r.linear(h, w[p + "self_attn.o_proj.weight"]))
        h = r.rms_norm(x, w[p + "post_attention_layernorm.weight"], c.rms_norm_eps)
        gate, up = (r.linear(h, w[p + f"mlp.{n}_proj.weight"]) for n in ("gate", "up"))
        x = r.add(x, r.linear(r.gated(F.silu, gate, up), w[p + "mlp.down_proj.weight"]))
        stream.append(x)
    x = r.rms_norm(x, w["model.norm.weight"], c.rms_norm_eps)
    head = w["model.embed_tokens.weight"] if c.tie_word_embeddings else w["lm_head.weight"]
    return r.linear(x, head), stream


def bert(r, w, c, x, kinds, keep):
    """A sequence classifier. kinds and keep [batch, sequence]: token types, and 1 where a token is no padding."""
    mask = torch.zeros_like(keep, dtype=x.dtype).masked_fill(keep == 0, -math.inf)[:, None, None]
    p = "bert.embeddings."
    x = r.add(x, w[p + "token_type_embeddings.weight"][kinds])
    x = r.add(x, w[p + "position_embeddings.weight"][: x.shape[1]].expand_as(x))
    x = norm(r, w, p + "LayerNorm", x, c.layer_norm_eps)
    stream = []
    for i in range(c.num_hidden_layers):
        p = f"bert.encoder.layer.{i}."
        q, k, v = (
            split(dense(r, w, p + f"attention.self.{n}", x), c.num_attention_heads) for n in ("query", "key", "value")
        )
        h = dense(r, w, p + "attention.output.dense", merge(attention(r, q, k, v, mask)))
        x = norm(r, w, p + "attention.output.LayerNorm", r.add(h, x), c.layer_norm_eps)
        h = r.activation(F.gelu, dense(r, w, p + "intermediate.dense", x))
        h = dense(r, w, p + "output.dense", h)
        x = norm(r, w, p + "output.LayerNorm", r.add(h, x), c.layer_norm_eps)
        stream.append(x)
    h = r.activation(torch.tanh, dense(r, w, "bert.pooler.dense", x[:, 0]))
    return dense(r, w, "classifier", h), stream


def gpt2(r, w, c, x):
    x = r.add(x, w["transformer.wpe.weight"][: x.shape[1]].expand_as(x))
    mask = causal(x)
    stream = []
    for i in range(c.n_layer):
        p = f"transformer.h.{i}."
        h = norm(r, w, p + "ln_1", x, c.layer_norm_epsilon)
        q, k, v = (split(t, c.n_head) for t in dense(r, w, p + "attn.c_attn", h, True).chunk(3, -1))
        h = dense(r, w, p + "attn.c_proj", merge(attention(r, q, k, v, mask)), True)
        x = r.add(h, x)
        h = norm(r, w, p + "ln_2", x, c.layer_norm_epsilon)
        h = r.activation(gelu_tanh, dense(r, w, p + "mlp.c_fc", h, True))
        x = r.add(x, dense(r, w, p + "mlp.c_proj", h, True))
        stream.append(x)
    x = norm(r, w, "transformer.ln_f", x, c.layer_norm_epsilon)
    return r.linear(x, w["lm_head.weight"]), stream


def attention(r, q, k, v, mask):
    """softmax(q k^T / sqrt(d) + mask) v. The mask is the identity on relevance."""
    s = r.scale(r.scores(q, k), 1 / math.sqrt(q.shape[-1]))
    return r.attend(r.softmax(s + mask), v)


def dense(r, w, name, x, transposed=False):
    m = w[name + ".weight"]
    return r.linear(x, m.T if transposed else m, w[name + ".bias"])


def norm(r, w, name, x, eps):
    return r.layer_norm(x, w[name + ".weight"], w[name + ".bias"], eps)


def gelu_tanh(x):
    return F.gelu(x, approximate="tanh")


def split(x, heads):
    """[batch, sequence, heads * d] to [batch, heads, sequence, d]."""
    return x.unflatten(-1, (heads, -1)).transpose(1, 2)


def merge(x):
    return x.transpose(1, 2).flatten(2)


def causal(x):
    n = x.shape[1]
    return torch.full((n, n), -math.inf, dtype=x.dtype).triu(1)


def rotary(c, x):
    """cos, sin [sequence, d], both halves of a head alike. Frequencies in float32, as exporters fold them."""
    d = c.hidden_size // c.num_attention_heads
    base = c.rope_parameters["rope_theta"]
    f = 1.0 / base ** (torch.arange(0, d, 2, dtype=torch.float32) / d)
    angle = torch.outer(torch.arange(x.shape[1], dtype=torch.float32), f)
    angle = torch.cat((angle, angle), -1)
    return angle.cos().to(x.dtype), angle.sin().to(x.dtype)


def rotate(r, x, cos, sin):
    a, b = x.chunk(2, -1)
    turned = torch.cat((r.scale(b, -1.0), a), -1)
    return r.add(r.scale(x, cos), r.scale(turned, sin))

"""Make testdata/onnx/golden: tiny random models and their relevance in float64.

    python testdata/gen/golden/make.py      about a minute

For llama, bert, gpt2 and vgg: NAME.dynamo.onnx and NAME.torchscript.onnx (the
two exporters of PyTorch), NAME.npz with inputs, outputs and relevance, and one
golden.json that says which tensor of which export every relevance belongs to.

The reference is nets.py or conv.py with the formulas of gradient.py, explicit.py
and conv.py, in float64 on the float32 weights; nothing of it is shared with
lxtc. Keys of the npz files: `in.ARGUMENT`, `out.logits`, and
`MAP.FORM.TENSOR` such as `attnlrp.gradient.embeddings` with

    MAP     attnlrp, cp-lrp; for vgg a composite of conv.py
    FORM    gradient, explicit (s(z) = z + eps sign z), explicit-lxt (s(z) = z + eps)
    TENSOR  embeddings, layer.0, layer.1, pixels

The explained logit of every batch row is in golden.json, its relevance its value.
"""

import json
import pathlib
import sys

import numpy as np
import onnx
import onnxruntime
import torch
import transformers
from torch import nn

HERE = pathlib.Path(__file__).resolve().parent
sys.path[:0] = [str(HERE.parent / "models"), str(HERE)]

import conv  # noqa: E402
import nets  # noqa: E402
from common import export  # noqa: E402
from explicit import EPS, Explicit  # noqa: E402
from gradient import Gradient  # noqa: E402

OUT = HERE.parents[1] / "onnx" / "golden"
VOCABULARY, WIDTH = 61, 32
LLAMA = dict(
    vocab_size=VOCABULARY, hidden_size=WIDTH, intermediate_size=48, num_hidden_layers=2, num_attention_heads=4,
    num_key_value_heads=2, max_position_embeddings=32, rms_norm_eps=1e-5, use_cache=False,
)  # fmt: skip
BERT = dict(
    vocab_size=VOCABULARY, hidden_size=WIDTH, intermediate_size=48, num_hidden_layers=2, num_attention_heads=4,
    max_position_embeddings=16, num_labels=3,
)  # fmt: skip
GPT2 = dict(vocab_size=VOCABULARY, n_embd=WIDTH, n_inner=48, n_layer=2, n_head=4, n_positions=16, use_cache=False)


def main():
    torch.set_num_threads(1)
    OUT.mkdir(parents=True, exist_ok=True)
    cases = {"llama": llama(), "bert": bert(), "gpt2": gpt2(), "vgg": vgg()}
    (OUT / "golden.json").write_text(json.dumps(cases, indent=1) + "\n")


def llama():
    model = transformers.LlamaForCausalLM(transformers.LlamaConfig(**LLAMA))
    return language("llama", model, 11, {"input_ids": ids(2, 9)}, lambda r, w, c, x, _: nets.llama(r, w, c, x))


def bert():
    model = transformers.BertForSequenceClassification(transformers.BertConfig(**BERT))
    keep, kinds = torch.ones(2, 10, dtype=torch.int64), torch.zeros(2, 10, dtype=torch.int64)
    keep[1, 7:] = 0
    kinds[:, 5:] = 1
    inputs = {"input_ids": ids(2, 10), "attention_mask": keep, "token_type_ids": kinds}
    net = lambda r, w, c, x, i: nets.bert(r, w, c, x, i["token_type_ids"], i["attention_mask"])
    return language("bert", model, 12, inputs, net)


def gpt2():
    model = transformers.GPT2LMHeadModel(transformers.GPT2Config(**GPT2))
    return language("gpt2", model, 13, {"input_ids": ids(2, 9)}, lambda r, w, c, x, _: nets.gpt2(r, w, c, x))


def ids(rows, length):
    return torch.randint(0, VOCABULARY, (rows, length), generator=torch.Generator().manual_seed(length))


def language(name, model, seed, inputs, net):
    """Export a transformers model twice, explain every row's best logit of the last position in all maps and forms."""
    model.config._attn_implementation = "eager"
    randomize(model, seed)
    model.eval()
    w = {k: v.double() for k, v in model.state_dict().items()}
    x = model.get_input_embeddings().weight.double()[inputs["input_ids"]].detach()
    arrays = {f"in.{k}": v.numpy() for k, v in inputs.items()}
    values, target = None, None
    for map_ in ("attnlrp", "cp-lrp"):
        cp = map_ == "cp-lrp"
        for form, rules in (
            ("gradient", Gradient(cp)),
            ("explicit", Explicit(cp)),
            ("explicit-lxt", Explicit(cp, plus=True)),
        ):
            leaf = x.clone().requires_grad_()
            logits, stream = net(rules, w, model.config, leaf, inputs)
            if target is None:
                target = best(logits)
                values = {"embeddings": x, **{f"layer.{i}": s.detach() for i, s in enumerate(stream)}}
                arrays["out.logits"] = logits.detach().numpy()
                same_as_transformers(name, model, inputs, logits)
            seed_ = sum(rules.seed(logits.detach(), tuple(t)) for t in target)
            carried = torch.autograd.grad(logits, [leaf, *stream], seed_)
            for (tensor, value), g in zip(values.items(), carried):
                arrays[f"{map_}.{form}.{tensor}"] = rules.relevance(value, g).numpy()
    save(name, arrays)
    dynamic = {k: {0: "batch", 1: "sequence"} for k in inputs}
    return describe(name, model, inputs, dynamic, values, target) | {"eps": EPS}


def vgg():
    """A convnet in PyTorch, its composites of conv.py, and AttnLRP (epsilon without division) in gradient form."""
    net = nn.Sequential(
        nn.Conv2d(3, 8, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2),
        nn.Conv2d(8, 12, 3, padding=1), nn.ReLU(), nn.Conv2d(12, 12, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2),
        nn.Flatten(), nn.Linear(192, 24), nn.ReLU(), nn.Linear(24, 5),
    )  # fmt: skip
    model = Pixels(net).eval()
    randomize(model, 14)
    x = torch.randn(2, 3, 16, 16, generator=torch.Generator().manual_seed(5)).clamp(-2, 2)
    layers = []
    for m in net:
        if isinstance(m, nn.Conv2d):
            layers.append(conv.Layer(m.weight.double().detach(), m.bias.double().detach(), padding=1))
        if isinstance(m, nn.Linear):
            layers.append(conv.Layer(m.weight.double().detach(), m.bias.double().detach()))
        if isinstance(m, nn.MaxPool2d):
            layers.append("pool")
    arrays = {"in.pixels": x.numpy()}
    x64 = x.double().requires_grad_()
    logits = net.double()(x64)
    target = best(logits)
    arrays["out.logits"] = logits.detach().numpy()
    rules = Gradient(cp=False)
    (g,) = torch.autograd.grad(logits, x64, sum(rules.seed(logits.detach(), tuple(t)) for t in target))
    arrays["attnlrp.gradient.pixels"] = rules.relevance(x64.detach(), g).numpy()
    for composite in conv.COMPOSITES:
        y = conv.vgg(composite, layers, x64)
        seed = sum(Explicit(cp=False).seed(y.detach(), tuple(t)) for t in target)
        (r,) = torch.autograd.grad(y, x64, seed)
        arrays[f"{composite}.explicit.pixels"] = r.numpy()
    save("vgg", arrays)
    net.float()
    entry = describe("vgg", model, {"pixels": x}, {"pixels": {0: "batch"}}, {"pixels": x.double()}, target)
    return entry | {"composites": conv.COMPOSITES, "zbox": [conv.LOW, conv.HIGH], "gamma": conv.GAMMA, "eps": 1e-6}


class Pixels(nn.Module):
    """Names the input."""

    def __init__(self, net):
        super().__init__()
        self.net = net

    def forward(self, pixels):
        return self.net(pixels)


class Unmasked(nn.Module):
    """Passes a mask of ones: without one transformers looks for packed texts, which TorchScript cannot export."""

    def __init__(self, model):
        super().__init__()
        self.model = model

    def forward(self, input_ids):
        return self.model(input_ids=input_ids, attention_mask=torch.ones_like(input_ids)).logits


def randomize(model, seed):
    """Weights of a size at which attention is neither uniform nor a single token."""
    g = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, p in model.named_parameters():
            p.copy_(torch.randn(p.shape, generator=g))
            if p.dim() == 1:
                p.mul_(0.2)
                if "norm" in name.lower() or ".ln_" in name:
                    p.add_(name.endswith("weight"))
            elif "embed" not in name and not name.endswith(("wte.weight", "wpe.weight")):
                p.mul_(1.5 / p[0].numel() ** 0.5)


def best(logits):
    """Index of the greatest logit of every row; of the last position where there are positions."""
    last = logits if logits.dim() == 2 else logits[:, -1]
    where = [] if logits.dim() == 2 else [logits.shape[1] - 1]
    return [[row, *where, int(l.argmax())] for row, l in enumerate(last)]


def same_as_transformers(name, model, inputs, logits):
    double = type(model)(model.config).double().eval()
    double.load_state_dict(model.state_dict())
    with torch.no_grad():
        off = (double(**inputs).logits - logits).abs().max().item()
    print(f"{name}: transformers in float64 differs by {off:.1e}", flush=True)
    if off > 1e-5:  # its RMSNorm and rotary angles are float32 even then
        raise SystemExit(f"{name}: the reference is not the model")


def describe(name, model, inputs, dynamic, values, target):
    """Export twice; the names, in each export, of the tensors that relevance is given for."""
    names = {}
    for exporter, opset in (("dynamo", 20), ("torchscript", 17)):
        path = OUT / f"{name}.{exporter}.onnx"
        dynamo = exporter == "dynamo"
        net = model if dynamo or isinstance(model, Pixels) or "attention_mask" in inputs else Unmasked(model)
        export(net, inputs, path, outputs=["logits"], dynamic=dynamic, opset=opset, dynamo=dynamo)
        names[path.name] = find(path, inputs, values)
    return {"models": names, "target": target}


def find(path, inputs, values):
    """The first tensor of the graph that holds each value."""
    model = onnx.load(path)
    del model.graph.output[:]
    outputs = [o for n in model.graph.node for o in n.output if o]
    model.graph.output.extend(onnx.helper.make_empty_tensor_value_info(o) for o in outputs)
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    session = onnxruntime.InferenceSession(model.SerializeToString(), options)
    feed = {i.name: inputs[i.name].numpy() for i in session.get_inputs()}
    got = {**feed, **dict(zip(outputs, session.run(outputs, feed)))}
    found = {}
    for tensor, value in values.items():
        same = (k for k, v in got.items() if v.shape == value.shape and np.allclose(v, value, rtol=1e-3, atol=1e-4))
        found[tensor] = next(same)
    return found


def save(name, arrays):
    np.savez_compressed(OUT / f"{name}.npz", **arrays)


if __name__ == "__main__":
    main()

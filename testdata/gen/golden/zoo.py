"""Make testdata/onnx/golden/zoo: one tiny random model of each of the most different architectures.

    python testdata/gen/golden/zoo.py                     half a minute
    python testdata/gen/golden/zoo.py FOLDER [NAME ...]   all of zoo_models.py, or those, by two exporters: `make zoo-language`

The format is that of make.py, with gradient form only: NAME.npz with inputs,
outputs and relevance, NAME.EXPORTER.onnx, and golden.json. The reference is the
transformers model itself in float64, under the rules of mode.py. What an
exporter cannot export is printed and left out.

    dynamo        torch.export, opset 20; experts as batched products
    dynamo24      opset 24, with ONNX's own Attention
    torchscript   opset 17; experts one by one, as many as get a token
    past          TorchScript, opset 14: token ids, mask, positions, and a cache, here of length 0, as optimum exports decoders
    fused         torchscript, then ONNX Runtime's extended optimizations
"""

import contextlib
import io
import json
import logging
import pathlib
import sys
import warnings

import numpy as np
import onnx
import onnxruntime
import torch
import transformers
from torch import nn

HERE = pathlib.Path(__file__).resolve().parent
sys.path[:0] = [str(HERE.parent / "models"), str(HERE)]

import mode  # noqa: E402
from common import KEPT, export  # noqa: E402
from make import find, randomize  # noqa: E402
from zoo_models import ALL, VOCABULARY  # noqa: E402

OUT = HERE.parents[1] / "onnx" / "golden" / "zoo"
COMMITTED = {
    "gemma2": ["dynamo"],  # soft caps, norms by 1 + w, sliding window, heads wider than the stream
    "bloom": ["torchscript"],  # ALiBi, GELU written out, norm of embeddings
    "gpt_oss": ["dynamo"],  # sinks, batched experts with biases, gates that are clipped
    "qwen2_moe": ["torchscript"],  # experts one by one that add up by ScatterElements, a shared expert behind a gate
    "gpt_neox": ["past"],  # attention and MLP side by side
    "helium": ["dynamo24"],  # a norm whose epsilon the exporter drops
    "deberta_v2": ["torchscript"],  # attention to relative positions
    "modernbert": ["dynamo"],  # GEGLU, local attention, mean of tokens
    "distilbert": ["fused"],  # Gemm and activation in one
    "t5_v11": ["torchscript"],  # encoder and decoder, bias by position
}


class Whole(nn.Module):
    """A model with tensors in and one tensor out."""

    def __init__(self, model, kind):
        super().__init__()
        self.model, self.kind = model, kind

    def result(self, **given):
        if self.kind == "pair":
            return self.model(**given, use_cache=False).logits
        out = self.model(**given)
        if self.kind == "span":
            return out.start_logits
        if self.kind == "pool":  # as sentence-transformers does
            keep = given["attention_mask"][..., None].to(out[0].dtype)
            return nn.functional.normalize((out[0] * keep).sum(1) / keep.sum(1).clamp(min=1e-9), dim=1)
        return out.logits

    def forward(self, input_ids, attention_mask):
        return self.result(input_ids=input_ids, attention_mask=attention_mask)


class Pair(Whole):
    def forward(self, input_ids, attention_mask, decoder_input_ids):
        return self.result(
            input_ids=input_ids, attention_mask=attention_mask, decoder_input_ids=decoder_input_ids
        )


class Past(nn.Module):
    """A decoder with a cache, flat."""

    def __init__(self, model):
        super().__init__()
        self.model = model

    def forward(self, input_ids, attention_mask, position_ids, *past):
        cache = transformers.DynamicCache(list(zip(past[::2], past[1::2])))
        out = self.model(
            input_ids=input_ids, attention_mask=attention_mask, position_ids=position_ids, past_key_values=cache,
            use_cache=True,
        )  # fmt: skip
        return (out.logits, *(t for layer in out.past_key_values.layers for t in (layer.keys, layer.values)))


def main():
    torch.set_num_threads(1)
    transformers.logging.set_verbosity_error()
    folder, names = (pathlib.Path(sys.argv[1]), sys.argv[2:] or list(ALL)) if len(sys.argv) > 1 else (OUT, list(COMMITTED))
    folder.mkdir(parents=True, exist_ok=True)
    cases = {}
    for name in names:
        exporters = COMMITTED[name] if folder == OUT else ["dynamo", "torchscript"]
        try:
            cases[name] = case(folder, name, ALL[name], exporters)
        except Exception as e:  # one of many: the others are still of use
            print(f"{name}: {type(e).__name__}: {first_line(e)}", flush=True)
    (folder / "golden.json").write_text(json.dumps({k: v for k, v in cases.items() if v["models"]}, indent=1) + "\n")


def case(folder, name, spec, exporters):
    torch.manual_seed(0)
    model = spec.make()
    randomize(model, 7)
    if spec.config.startswith("Gemma"):
        centre(model)
    model.eval()
    how(model, "eager", "eager")
    given = inputs(spec.kind, 9, 3)
    values, target, arrays = explain(name, model, spec.kind, given)
    models = {}
    for exporter in exporters:
        path = folder / f"{name}.{exporter}.onnx"
        try:
            fed = write(model, spec.kind, given, path, exporter)
            models[path.name] = found(path, fed, values, arrays["out.logits"])
        except Exception as e:  # the other exporter may do better
            path.unlink(missing_ok=True)
            print(f"{path.name}: {type(e).__name__}: {first_line(e)}", flush=True)
            continue
        arrays |= {f"in.{k}": v.numpy() for k, v in fed.items()}
    np.savez_compressed(folder / f"{name}.npz", **arrays)
    return {"models": models, "target": target, "exact": True}


def found(path, fed, values, result):
    """The names of the explained tensors in an export that computes what the model does."""
    try:
        names = find(path, fed, {**values, "result": result})
    except StopIteration:
        raise ValueError("the exported model computes something else") from None
    del names["result"]
    return names


def explain(name, model, kind, given):
    """The explained tensors' values, the target, and the arrays of the reference."""
    with torch.no_grad():
        plain = net(model, kind)(**given).double()
    torch.set_default_dtype(torch.float64)
    try:
        double = type(model)(model.config).double().eval()
        double.load_state_dict(model.state_dict())
        double.requires_grad_(False)
        mode.patch(double)
        target = best(plain)
        seed = torch.zeros_like(plain)
        seed[tuple(zip(*target))] = 1
        tensors = ["embeddings"] if kind != "pair" else ["embeddings", "decoder_embeddings"]
        arrays = {}
        for cp in (False, True):
            y, relevance = mode.relevance(
                lambda: net(double, kind)(**given), lambda _: seed, embeddings(double, kind), cp
            )
            for tensor, r in zip(tensors, relevance, strict=True):
                arrays[f"{'cp-lrp' if cp else 'attnlrp'}.gradient.{tensor}"] = r
        off = ((y - plain).norm() / plain.norm()).item()
        print(f"{name}: transformers in float32 differs by {off:.1e}", flush=True)
        if off > 1e-5:
            raise ValueError("the reference is not the model")
        arrays["out.logits"] = y.numpy()
        values = dict(zip(tensors, embedded(double, kind, given)))
        return values, target, arrays
    finally:
        torch.set_default_dtype(torch.float32)


def embedded(model, kind, given):
    """The results of the embedding modules, in the order in which they run."""
    seen = []
    hooks = [e.register_forward_hook(lambda m, i, out: seen.append(out.clone())) for e in embeddings(model, kind)]
    with torch.no_grad():
        net(model, kind)(**given)
    for h in hooks:
        h.remove()
    return seen


def embeddings(model, kind):
    if kind == "pair":
        both = model.get_encoder().get_input_embeddings(), model.get_decoder().get_input_embeddings()
        return list(dict.fromkeys(both))
    encoder = getattr(model, "encoder", None)  # T5's has embeddings of its own, with the model's weights
    return [(encoder if hasattr(encoder, "embed_tokens") else model).get_input_embeddings()]


def net(model, kind):
    return (Pair if kind == "pair" else Whole)(model, kind).eval()


def how(model, attention, experts):
    model.config._attn_implementation = attention
    if hasattr(model.config, "_experts_implementation"):
        model.config._experts_implementation = experts


def write(model, kind, given, path, exporter):
    """Export, and return the inputs of the exported model."""
    how(model, "sdpa" if exporter == "dynamo24" else "eager", "batched_mm" if "dynamo" in exporter else "eager")
    outputs, module, fed, example = ["logits"], net(model, kind), given, inputs(kind, 7, 9)
    if exporter == "past":
        module, outputs = Past(model).eval(), ["logits"]
        example, fed = cached(model, example, 4), cached(model, given, 0)
        outputs += [k.replace("past_key_values", "present") for k in fed if k.startswith("past")]
    dynamic = {k: {0: "batch", 1: "decoder_sequence" if k.startswith("decoder") else "sequence"} for k in example}
    for k in example:
        if k.startswith("past"):
            dynamic[k] = {0: "batch", 2: "past"}
        elif exporter == "past" and k == "attention_mask":
            dynamic[k][1] = "total"
    if exporter.startswith("dynamo"):
        export(module, example, path, outputs=outputs, dynamic=dynamic, opset=24 if exporter == "dynamo24" else 20)
    else:
        torchscript(module, example, path, outputs, dynamic, 14 if exporter == "past" else 17)
    if exporter == "fused":
        fuse(path)
    return fed


def torchscript(module, example, path, outputs, dynamic, opset):
    """As common.export, which passes arguments by name: a cache has none."""
    logging.getLogger("torch.onnx").setLevel(logging.ERROR)
    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.onnx.export(
            module, tuple(example.values()), str(path), input_names=list(example), output_names=outputs,
            dynamic_axes=dynamic, opset_version=opset, dynamo=False,
        )  # fmt: skip


def cached(model, given, length):
    """given, behind a cache of that length."""
    c, rows, n = model.config, *given["input_ids"].shape
    heads = getattr(c, "num_key_value_heads", None) or c.num_attention_heads
    width = getattr(c, "head_dim", None) or c.hidden_size // c.num_attention_heads
    fed = {
        "input_ids": given["input_ids"],
        "attention_mask": torch.ones(rows, length + n, dtype=torch.int64),
        "position_ids": torch.arange(length, length + n).repeat(rows, 1),
    }
    for i in range(c.num_hidden_layers):
        for k in ("key", "value"):
            fed[f"past_key_values.{i}.{k}"] = torch.randn(rows, heads, length, width)
    return fed


def fuse(path):
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4  # that the result is not portable
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_EXTENDED
    options.optimized_model_filepath = str(path)
    onnxruntime.InferenceSession(onnx.load(path).SerializeToString(), options)
    model = onnx.load(path)
    for n in model.graph.node:
        kept = [p for p in n.metadata_props if p.key in KEPT]
        del n.metadata_props[:]
        n.metadata_props.extend(kept)
    onnx.save(model, path)


def inputs(kind, length, seed):
    """Two rows of tokens; but for decoders, the second is shorter than the first."""
    g = torch.Generator().manual_seed(seed)
    ids = torch.randint(3, VOCABULARY, (2, length), generator=g)
    keep = torch.ones_like(ids)
    if kind != "lm":
        keep[1, -3:] = 0
        ids[1, -3:] = 0
    given = {"input_ids": ids, "attention_mask": keep}
    if kind == "pair":
        given["decoder_input_ids"] = torch.randint(3, VOCABULARY, (2, length - 3), generator=g)
    return given


def best(y):
    """Index of the greatest element of every row; of its last position where there are positions."""
    if y.dim() == 2:
        return [[row, int(r.argmax())] for row, r in enumerate(y)]
    return [[row, y.shape[1] - 1, int(r[-1].argmax())] for row, r in enumerate(y)]


def centre(model):
    """Weights of norms around 0, for models that add 1 to them."""
    with torch.no_grad():
        for name, p in model.named_parameters():
            if "norm" in name:
                p.sub_(1)


def first_line(e):
    text = [line for line in str(e).splitlines() if line.strip()]
    return text[0][:160] if text else ""


if __name__ == "__main__":
    main()

"""One contender of bench/llm.py in a process of its own; prints one line of JSON.

    contenders.py NAME --model DIR --prompt FILE --threads N --runs N

NAME is torch-forward, onnxruntime-forward, lxt-efficient or lxt-explicit. The
explained value is the greatest logit of the last position. Every run is timed;
what comes before (imports, weights, tokens) is not.
"""

import argparse
import importlib.machinery
import importlib.util
import json
import pathlib
import sys
import time
import types


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("name", choices=CONTENDERS)
    parser.add_argument("--model", type=pathlib.Path, required=True)
    parser.add_argument("--prompt", type=pathlib.Path, required=True)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--runs", type=int, default=3)
    args = parser.parse_args()
    from tokenizers import Tokenizer

    ids = Tokenizer.from_file(str(args.model / "tokenizer.json")).encode(args.prompt.read_text()).ids
    run = CONTENDERS[args.name](args, ids)
    seconds = []
    for _ in range(args.runs):
        start = time.perf_counter()
        token, logit, relevance = run()
        seconds.append(time.perf_counter() - start)
    print(json.dumps({"seconds": seconds, "tokens": len(ids), "target": token, "logit": logit, "relevance": relevance}))


def onnxruntime_forward(args, ids):
    import numpy
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = args.threads
    session = onnxruntime.InferenceSession(str(args.model / "model.onnx"), options)
    feed = {"input_ids": numpy.array([ids])}

    def run():
        logits = session.run(["logits"], feed)[0][0, -1]
        return int(logits.argmax()), float(logits.max()), None

    return run


def torch_forward(args, ids):
    import torch
    from transformers import LlamaForCausalLM

    model = load(args, LlamaForCausalLM)
    tokens = torch.tensor([ids])

    @torch.inference_mode()
    def run():
        logits = model(input_ids=tokens, use_cache=False).logits[0, -1]
        return int(logits.argmax()), float(logits.max()), None

    return run


def lxt_efficient(args, ids):
    """LXT's patches of LLaMA."""
    without_imports("lxt", "efficient", "models")
    from lxt.efficient.models import llama

    for target, patch in llama.attnLRP.items():
        patch(target)
    model = load(args, llama.modeling_llama.LlamaForCausalLM)
    return explain(model, ids, gradient=True)


def without_imports(package, *parts):
    """Make the nested packages importable without what their __init__ imports: LXT's import every
    architecture, some newer than this transformers."""
    folder = pathlib.Path(importlib.util.find_spec(package).origin).parent
    for part in parts:
        package, folder = f"{package}.{part}", folder / part
        sys.modules[package] = types.ModuleType(package)
        sys.modules[package].__path__ = [str(folder)]


def lxt_explicit(args, ids):
    """LXT's own LLaMA with its AttnLRP composite; the 4-bit layers it names are not needed here."""
    bitsandbytes = types.ModuleType("bitsandbytes.nn")
    for name in ("Linear4bit", "Linear8bitLt"):
        setattr(bitsandbytes, name, type(name, (), {}))
    for module in (types.ModuleType("bitsandbytes"), bitsandbytes):
        module.__spec__ = importlib.machinery.ModuleSpec(module.__name__, None)
        sys.modules[module.__name__] = module
    from lxt.explicit.models import llama

    model = load(args, llama.LlamaForCausalLM)
    llama.attnlrp.register(model)
    return explain(model, ids, gradient=False)


def explain(model, ids, gradient):
    """gradient: autograd carries gradients from 1, and relevance is x * gradient; else relevance from the logit."""
    import torch

    tokens = torch.tensor([ids])

    def run():
        x = model.get_input_embeddings()(tokens).detach().requires_grad_()
        best = model(inputs_embeds=x, use_cache=False).logits[0, -1].max(-1)
        best.values.backward(None if gradient else best.values.detach())
        per_token = (x.detach() * x.grad if gradient else x.grad).sum(-1)[0]
        return int(best.indices), float(best.values.detach()), per_token.tolist()

    return run


def load(args, cls):
    """float32, eager attention, no gradients of weights."""
    import torch
    from transformers import LlamaConfig

    torch.set_num_threads(args.threads)
    settings = json.loads((args.model / "config.json").read_text())
    config = LlamaConfig.from_dict(settings | {"rope_theta": settings["rope_parameters"]["rope_theta"]})
    config.rope_scaling = None
    model = cls.from_pretrained(args.model, config=config, torch_dtype=torch.float32, attn_implementation="eager")
    for p in model.parameters():
        p.requires_grad = False
    return model.eval()


CONTENDERS = {
    "torch-forward": torch_forward,
    "onnxruntime-forward": onnxruntime_forward,
    "lxt-efficient": lxt_efficient,
    "lxt-explicit": lxt_explicit,
}

if __name__ == "__main__":
    main()

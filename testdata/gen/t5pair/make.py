"""A tiny T5 with random weights: as one model, and as the pair of models that optimum exports.

    .venv/bin/python testdata/gen/t5pair/make.py
"""

import pathlib
import sys
import warnings

import onnx
import torch
import transformers

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "models"))
from common import KEPT  # noqa: E402

OUT = pathlib.Path(__file__).resolve().parents[2] / "onnx" / "t5-pair"


class Encoder(torch.nn.Module):
    def __init__(self, t5):
        super().__init__()
        self.encoder = t5.encoder

    def forward(self, input_ids, attention_mask):
        return self.encoder(input_ids=input_ids, attention_mask=attention_mask).last_hidden_state


class Decoder(torch.nn.Module):
    """As optimum has it: the decoder and the head, for given states of the encoder."""

    def __init__(self, t5):
        super().__init__()
        self.t5 = t5

    def forward(self, encoder_attention_mask, input_ids, encoder_hidden_states):
        return self.t5(
            decoder_input_ids=input_ids, attention_mask=encoder_attention_mask, encoder_outputs=(encoder_hidden_states,), use_cache=False).logits


class Whole(torch.nn.Module):
    def __init__(self, t5):
        super().__init__()
        self.t5 = t5

    def forward(self, input_ids, attention_mask, decoder_input_ids):
        return self.t5(input_ids=input_ids, attention_mask=attention_mask, decoder_input_ids=decoder_input_ids, use_cache=False).logits


def export(module, inputs, output, name):
    """The TorchScript exporter, which optimum uses; without the paths of this machine."""
    path = OUT / f"{name}.onnx"
    axes = {"encoder_hidden_states": {0: "batch_size", 1: "encoder_sequence_length"}}
    for key in inputs:
        side = "decoder" if key == "decoder_input_ids" or (key == "input_ids" and "encoder_hidden_states" in inputs) else "encoder"
        axes.setdefault(key, {0: "batch_size", 1: f"{side}_sequence_length"})
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.onnx.export(
            module.eval(), tuple(inputs.values()), path, dynamo=False, opset_version=17, input_names=list(inputs), output_names=[output],
            dynamic_axes={k: v for k, v in axes.items() if k in inputs} | {output: {0: "batch_size", 1: "sequence_length"}})
    model = onnx.load(path)
    for n in model.graph.node:
        kept = [p for p in n.metadata_props if p.key in KEPT]
        del n.metadata_props[:]
        n.metadata_props.extend(kept)
        n.doc_string = ""
    onnx.save(model, path)
    print(f"{path.name}: {path.stat().st_size:,} bytes, {len(model.graph.node)} nodes")


def main():
    OUT.mkdir(parents=True, exist_ok=True)
    torch.manual_seed(5)
    t5 = transformers.T5ForConditionalGeneration(transformers.T5Config(
        vocab_size=40, d_model=16, d_kv=8, d_ff=24, num_layers=1, num_decoder_layers=1, num_heads=2, decoder_start_token_id=0,
        feed_forward_proj="gated-gelu")).eval()
    for p in t5.parameters():
        torch.nn.init.normal_(p, std=0.3)
    ids, start = torch.tensor([[5, 9, 3, 1]]), torch.tensor([[0, 7]])
    mask = torch.ones_like(ids)
    states = Encoder(t5)(ids, mask)
    export(Encoder(t5), {"input_ids": ids, "attention_mask": mask}, "last_hidden_state", "encoder_model")
    export(Decoder(t5), {"encoder_attention_mask": mask, "input_ids": start, "encoder_hidden_states": states}, "logits", "decoder_model")
    export(Whole(t5), {"input_ids": ids, "attention_mask": mask, "decoder_input_ids": start}, "logits", "whole")


if __name__ == "__main__":
    main()

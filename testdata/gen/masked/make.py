"""Make testdata/onnx/masked: tiny random models that take an attention mask.

    python testdata/gen/masked/make.py      half a minute

The batch and every length are symbolic. Positions are where models differ, so
there are both: computed from the mask, as generation does with padding on the
left, and given. The tests that use them compare a padded batch with its rows
alone, and need no reference numbers.
"""

import pathlib
import sys

import torch
import transformers
from torch import nn

HERE = pathlib.Path(__file__).resolve().parent
sys.path[:0] = [str(HERE.parent / "models"), str(HERE.parent / "golden")]

from common import export  # noqa: E402
from make import ids, randomize  # noqa: E402

OUT = HERE.parents[1] / "onnx" / "masked"
VOCABULARY, WIDTH = 61, 16
LLAMA = dict(
    vocab_size=VOCABULARY, hidden_size=WIDTH, intermediate_size=24, num_hidden_layers=2, num_attention_heads=2,
    num_key_value_heads=1, max_position_embeddings=64, rms_norm_eps=1e-5, use_cache=False,
)  # fmt: skip
T5 = dict(
    vocab_size=VOCABULARY, d_model=WIDTH, d_kv=8, d_ff=24, num_layers=2, num_decoder_layers=2, num_heads=2,
    relative_attention_num_buckets=8, relative_attention_max_distance=16, feed_forward_proj="gated-gelu",
    decoder_start_token_id=0, use_cache=False, tie_word_embeddings=False,
)  # fmt: skip


class Counted(nn.Module):
    """Positions count the tokens that are no padding. Attention as PyTorch's own function, which guards against rows of
    nothing but padding."""

    def __init__(self, model):
        super().__init__()
        self.model = model

    def forward(self, input_ids, attention_mask):
        positions = (attention_mask.cumsum(-1) - 1).clamp(min=0)
        return self.model(input_ids=input_ids, attention_mask=attention_mask, position_ids=positions).logits


class Given(nn.Module):
    def __init__(self, model):
        super().__init__()
        self.model = model

    def forward(self, input_ids, attention_mask, position_ids):
        return self.model(input_ids=input_ids, attention_mask=attention_mask, position_ids=position_ids).logits


class EncoderDecoder(nn.Module):
    def __init__(self, model):
        super().__init__()
        self.model = model

    def forward(self, input_ids, attention_mask, decoder_input_ids):
        return self.model(
            input_ids=input_ids, attention_mask=attention_mask, decoder_input_ids=decoder_input_ids
        ).logits


def main():
    torch.set_num_threads(1)
    llama = made(transformers.LlamaForCausalLM(transformers.LlamaConfig(**LLAMA)), 21)
    t5 = made(transformers.T5ForConditionalGeneration(transformers.T5Config(**T5)), 22)
    tokens, mask = ids(2, 7), torch.ones(2, 7, dtype=torch.int64)
    mask[1, 5:] = 0
    masked = {"input_ids": tokens, "attention_mask": mask}
    llama.config._attn_implementation = "sdpa"
    write(Counted(llama), masked, "llama.counted.dynamo.onnx", dynamo=True)
    llama.config._attn_implementation = "eager"
    write(Given(llama), masked | {"position_ids": torch.arange(7).expand(2, 7).contiguous()}, "llama.given.torchscript.onnx")
    write(EncoderDecoder(t5), masked | {"decoder_input_ids": ids(2, 4)}, "t5.torchscript.onnx")


def made(model, seed):
    model.config._attn_implementation = "eager"
    randomize(model, seed)
    return model.eval()


def write(module, inputs, name, dynamo=False):
    dynamic = {k: {0: "batch", 1: "decoded" if k.startswith("decoder") else "sequence"} for k in inputs}
    export(module, inputs, OUT / name, outputs=["logits"], dynamic=dynamic, opset=20 if dynamo else 17, dynamo=dynamo)


if __name__ == "__main__":
    main()

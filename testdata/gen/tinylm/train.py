"""Train TinyLM and write testdata/onnx/tinylm: about seven minutes.

A 3-layer LLaMA (grouped-query attention, RMSNorm, SwiGLU, rotary, tied head)
that answers questions by looking the answer up in the text (see stories.py).
Prints its accuracy on held-out lookups, and fails below 98 %.
"""

import argparse
import pathlib
import random
import sys
import time

import torch
import transformers

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "models"))

import sources  # noqa: E402
import stories  # noqa: E402
import tokens  # noqa: E402
from common import export  # noqa: E402

OUT = HERE.parents[1] / "onnx" / "tinylm"
PROMPT = (
    "The red box holds 42 coins. The blue box holds 17 coins. It was a rainy day. The green box holds 85 coins. "
    "How many coins does the blue box hold? The blue box holds"
)


def config(tokenizer):
    return transformers.LlamaConfig(
        architectures=["LlamaForCausalLM"],
        vocab_size=tokenizer.get_vocab_size(),
        hidden_size=96,
        intermediate_size=192,
        num_hidden_layers=3,
        num_attention_heads=4,
        num_key_value_heads=2,
        max_position_embeddings=256,
        rms_norm_eps=1e-5,
        initializer_range=0.08,
        tie_word_embeddings=True,
        bos_token_id=tokenizer.token_to_id(tokens.BOS),
        eos_token_id=None,
        use_cache=False,
        attn_implementation="eager",
    )


def batch(rng, tokenizer, size):
    """ids [size, T] padded with 0, the loss weight [size, T] of every id, and what to attend to.

    Answers weigh 1, other words 0.03 (most are free choices of the author),
    padding 0. The rest are index triples (row, from, to): `keys` from a value, or
    from the end of a lead, to its key; `values` from the end of a lead to the
    value its key has in the facts.
    """
    rows, keys, values = [], [], []
    for row in range(size):
        story = stories.story(rng)
        e = tokenizer.encode(story.text())
        token = {end: i for i, (_, end) in enumerate(e.offsets)}
        weight = [0.03] * len(e.ids)
        for key, value, asked, lead in story.lookups():
            key, value, asked, lead = token[key], token[value], token[asked], token[lead]
            weight[lead + 1] = 1.0
            keys += [(row, value, key), (row, lead, asked)]
            values.append((row, lead, value))
        rows.append((e.ids, weight))
    longest = max(len(ids) for ids, _ in rows)
    ids = torch.tensor([i + [0] * (longest - len(i)) for i, _ in rows])
    weight = torch.tensor([w + [0.0] * (longest - len(w)) for _, w in rows])
    return ids, weight, torch.tensor(keys).T, torch.tensor(values).T


def attending(attention, triples):
    """Mean -log of what head 0 gives to the token it should attend to."""
    row, at, to = triples
    return -(attention[row, 0, at, to] + 1e-9).log().mean()


def train(model, tokenizer, steps, size, rate):
    """Language modelling, and for the first 60 % of the steps a hint that fades out.

    The hint tells one head of layer 0 to fetch keys and one of layer 1 to fetch
    values. Without it this little network needs very long to find that two-step
    lookup (tried: no better than guessing among the facts after 2600 steps).
    """
    rng = random.Random(2)
    decay = [p for p in model.parameters() if p.dim() > 1]
    rest = [p for p in model.parameters() if p.dim() == 1]
    groups = [{"params": decay, "weight_decay": 0.01}, {"params": rest, "weight_decay": 0.0}]
    optimizer = torch.optim.AdamW(groups, lr=rate, betas=(0.9, 0.98))
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, rate, total_steps=steps, pct_start=0.1)
    start = time.time()
    for step in range(1, steps + 1):
        ids, weight, keys, values = batch(rng, tokenizer, size)
        out = model(input_ids=ids, output_attentions=True)
        loss = torch.nn.functional.cross_entropy(out.logits[:, :-1].transpose(1, 2), ids[:, 1:], reduction="none")
        loss = (loss * weight[:, 1:]).sum() / weight[:, 1:].sum()
        hint = max(0.0, 1 - step / (0.6 * steps))
        guided = attending(out.attentions[0], keys) + attending(out.attentions[1], values)
        optimizer.zero_grad()
        (loss + hint * guided).backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        schedule.step()
        if step % 100 == 0:
            right = accuracy(model, tokenizer, 200)
            told = f"loss {loss.item():.3f}, attending {guided.item():.3f}, held-out {right:.3f}"
            print(f"step {step}: {told}, {time.time() - start:.0f} s", flush=True)


@torch.no_grad()
def accuracy(model, tokenizer, samples, seed=7):
    """Share of held-out prompts whose next token is the answer."""
    rng = random.Random(seed)
    right = 0
    for _ in range(samples):
        prompt, answer = stories.story(rng, test=True).prompt()
        logits = model(input_ids=torch.tensor([tokenizer.encode(prompt).ids])).logits
        right += tokenizer.decode([logits[0, -1].argmax().item()]) == answer
    return right / samples


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--steps", type=int, default=1500)
    parser.add_argument("--batch", type=int, default=32)
    parser.add_argument("--rate", type=float, default=3e-3)
    args = parser.parse_args()
    torch.manual_seed(0)
    torch.set_num_threads(1)  # small layers: more threads only wait for each other
    tokenizer = tokens.learn()
    model = transformers.LlamaForCausalLM(config(tokenizer))
    print(f"{sum(p.numel() for p in model.parameters())} parameters, {tokenizer.get_vocab_size()} tokens", flush=True)
    train(model, tokenizer, args.steps, args.batch, args.rate)
    model.eval()
    right = accuracy(model, tokenizer, 2000, seed=8)
    print(f"held-out lookups: {right:.2%} of 2000")
    if right < 0.98:
        raise SystemExit("less than 98 %: nothing written")
    ranks = sources.ranks(model, tokenizer, 300)
    print("rank of the answer's source among 300: " + ", ".join(f"{k}: {n}" for k, n in ranks.most_common()))
    per_token, logit, best = sources.relevance(model, tokenizer.encode(PROMPT).ids)
    print(f"prompt: {tokenizer.decode([best])!r}, logit {logit:.3f}, relevance {per_token.sum():.3f}")
    for token, r in zip(tokenizer.encode(PROMPT).tokens, per_token.tolist()):
        print(f"{r:9.3f}  {token}")
    OUT.mkdir(parents=True, exist_ok=True)
    tokenizer.save(str(OUT / "tokenizer.json"))
    model.config.save_pretrained(OUT)
    (OUT / "prompt.txt").write_text(PROMPT)
    export(
        model,
        {"input_ids": torch.arange(14).reshape(2, 7)},
        OUT / "model.onnx",
        outputs=["logits"],
        dynamic={"input_ids": {0: "batch", 1: "sequence"}},
    )


if __name__ == "__main__":
    main()

"""Does relevance find where an answer was looked up?

For held-out prompts that the model answers rightly: the rank, by AttnLRP in
gradient form (../golden), of the token that the answer stands at among all
tokens but the last.
"""

import collections
import pathlib
import random
import sys

import torch

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "golden"))

import nets  # noqa: E402
import stories  # noqa: E402
from gradient import Gradient  # noqa: E402


def relevance(model, ids):
    """Relevance of every token for the greatest logit of the last position; that logit and its token."""
    w = {k: v.detach().double() for k, v in model.state_dict().items()}
    rules = Gradient(cp=False)
    x = w["model.embed_tokens.weight"][torch.tensor([ids])].requires_grad_()
    logits, _ = nets.llama(rules, w, model.config, x)
    best = logits[0, -1].argmax().item()
    (g,) = torch.autograd.grad(logits[0, -1, best], x)
    return rules.relevance(x.detach(), g).sum(-1)[0], logits[0, -1, best].item(), best


def ranks(model, tokenizer, samples, seed=9):
    """Counter of the source's rank, 1 for the most relevant."""
    rng = random.Random(seed)
    counted = collections.Counter()
    for _ in range(samples):
        story = stories.story(rng, test=True)
        prompt, answer = story.prompt()
        encoded = tokenizer.encode(prompt)
        r, _, best = relevance(model, encoded.ids)
        if tokenizer.decode([best]) != answer:
            counted["wrong answer"] += 1
            continue
        lead = story.asked[0][1]
        at = prompt.index(lead + answer) + len(lead)
        source = next(i for i, (a, b) in enumerate(encoded.offsets) if a == at and b > a)
        counted[1 + int((r[:-1] > r[source]).sum())] += 1
    return counted

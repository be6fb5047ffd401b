"""TinyLM's tokenizer: byte-level BPE in HuggingFace's format, learnt from its stories."""

import random

from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors, trainers

import stories

VOCABULARY = 768
BOS = "<s>"


def learn(samples=20000):
    """A tokenizer in which every word and number of the stories is one token."""
    rng = random.Random(1)
    t = Tokenizer(models.BPE())
    t.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    t.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=VOCABULARY,
        special_tokens=[BOS],
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
        show_progress=False,
    )
    t.train_from_iterator((stories.story(rng).text() for _ in range(samples)), trainer)
    bos = t.token_to_id(BOS)
    t.post_processor = processors.TemplateProcessing(single=f"{BOS} $A", special_tokens=[(BOS, bos)])
    return t

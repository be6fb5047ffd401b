"""One small tokenizer for each family of models, trained on text.corpus()."""

import json
import os
import tempfile

import sentencepiece
from sentencepiece import sentencepiece_model_pb2
from tokenizers import AddedToken, Regex, Tokenizer, models, normalizers, pre_tokenizers, processors, trainers

import text

SIZE = 700
ALPHABET = pre_tokenizers.ByteLevel.alphabet()
BYTES = ["<0x%02X>" % i for i in range(256)]

LLAMA3 = (r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*"
          r"|\s*[\r\n]+|\s+(?!\S)|\s+")
QWEN2 = LLAMA3.replace("{1,3}", "")
O200K = (r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+(?i:'s|'t|'re|'ve|'m|'ll|'d)?"
         r"|[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*(?i:'s|'t|'re|'ve|'m|'ll|'d)?"
         r"|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+")
DEEPSEEK = (r"[!\"#$%&'()*+,\-./:;<=>?@\[\\\]^_`{|}~][A-Za-z]+|[^\r\n\p{L}\p{P}\p{S}]?[\p{L}\p{M}]+"
            r"| ?[\p{P}\p{S}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+")
CLIP = r"'s|'t|'re|'ve|'m|'ll|'d|[\p{L}]+|[\p{N}]|[^\s\p{L}\p{N}]+"


def train(tok, special=(), size=SIZE, **options):
    trainer = trainers.BpeTrainer(vocab_size=size, special_tokens=list(special), show_progress=False, **options)
    tok.train_from_iterator(text.corpus(), trainer)
    return tok


def byte_level(pre, special, normalizer=None, size=SIZE, **model):
    tok = Tokenizer(models.BPE(**model))
    if normalizer:
        tok.normalizer = normalizer
    tok.pre_tokenizer = pre
    return train(tok, special, size, initial_alphabet=ALPHABET)


def gpt2():
    tok = byte_level(pre_tokenizers.ByteLevel(add_prefix_space=False), ["<|endoftext|>"])
    tok.post_processor = processors.ByteLevel(trim_offsets=False)
    return tok


def roberta():
    tok = byte_level(pre_tokenizers.ByteLevel(add_prefix_space=True), ["<s>", "<pad>", "</s>", "<unk>"])
    tok.add_special_tokens([AddedToken("<mask>", lstrip=True)])
    tok.post_processor = processors.RobertaProcessing(("</s>", 2), ("<s>", 0), trim_offsets=True, add_prefix_space=True)
    return tok


def split_then_bytes(regex):
    return pre_tokenizers.Sequence([pre_tokenizers.Split(Regex(regex), "isolated"),
                                    pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)])


def llama3():
    tok = byte_level(split_then_bytes(LLAMA3), [], ignore_merges=True)
    tok.add_special_tokens(["<|begin|>", "<|endoftext|>", "<|user|>"])
    begin = tok.token_to_id("<|begin|>")
    tok.post_processor = processors.Sequence([
        processors.ByteLevel(trim_offsets=True, add_prefix_space=False),
        processors.TemplateProcessing("<|begin|> $A", "<|begin|> $A <|begin|> $B:1", [("<|begin|>", begin)])])
    return tok


def qwen2():
    tok = byte_level(split_then_bytes(QWEN2), [], normalizers.NFC())
    tok.add_special_tokens(["<|endoftext|>", "<|user|>"])
    tok.add_tokens([AddedToken("tool", normalized=False)])
    tok.post_processor = processors.ByteLevel(trim_offsets=False, add_prefix_space=False)
    return tok


def o200k():
    return byte_level(split_then_bytes(O200K), ["<|endoftext|>"])


def deepseek():
    pre = pre_tokenizers.Sequence([
        pre_tokenizers.Split(Regex(r"\p{N}{1,3}"), "isolated"), pre_tokenizers.Split(Regex("[\u4e00-\u9fa5\u3040-\u309f\u30a0-\u30ff]+"), "isolated"),
        pre_tokenizers.Split(Regex(DEEPSEEK), "isolated"), pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)])
    return byte_level(pre, ["<\uff5cbegin\u2581of\u2581sentence\uff5c>"])


def smollm2():
    pre = pre_tokenizers.Sequence([pre_tokenizers.Digits(individual_digits=True),
                                   pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=True)])
    return byte_level(pre, ["<|endoftext|>", "<|user|>"])


def byte_norm():
    """Byte level as a normalizer, after which added tokens are looked for in the bytes' spelling."""
    tok = Tokenizer(models.BPE())
    tok.normalizer = normalizers.Sequence([normalizers.NFKC(), normalizers.ByteLevel()])
    tok.pre_tokenizer = pre_tokenizers.Split(Regex("\u0120?[^\u0120]+"), "contiguous")
    train(tok, [], initial_alphabet=ALPHABET)
    tok.add_tokens([AddedToken("tool", single_word=True), AddedToken("caf\u00e9")])
    return tok


def keep_added(tok, contents):
    """Drops other added tokens, which were special for the trainer only; they stay in the vocabulary."""
    data = json.loads(tok.to_str())
    data["added_tokens"] = [t for t in data["added_tokens"] if t["content"] in contents]
    return Tokenizer.from_str(json.dumps(data))


def sentencepiece_bpe():
    """BPE with byte fallback, trained with Metaspace, as LLaMA's."""
    tok = Tokenizer(models.BPE(unk_token="<unk>", fuse_unk=True, byte_fallback=True))
    tok.pre_tokenizer = pre_tokenizers.Metaspace()
    tok = train(tok, ["<unk>", "<s>", "</s>"] + BYTES, SIZE + 256, limit_alphabet=90)
    return keep_added(tok, {"<unk>", "<s>", "</s>"})


def with_bos(tok):
    tok.post_processor = processors.TemplateProcessing("<s> $A", "<s> $A <s> $B:1", [("<s>", 1)])
    return tok


def llama2():
    tok = sentencepiece_bpe()
    tok.normalizer = normalizers.Sequence([normalizers.Prepend("\u2581"), normalizers.Replace(" ", "\u2581")])
    tok.pre_tokenizer = None
    return with_bos(tok)


def mistral():
    tok = sentencepiece_bpe()
    tok.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme="first", split=False)
    return with_bos(tok)


def gemma():
    tok = sentencepiece_bpe()
    tok.normalizer = normalizers.Replace(" ", "\u2581")
    tok.pre_tokenizer = pre_tokenizers.Split(" ", "merged_with_previous")
    tok.add_tokens([AddedToken("\n\n", normalized=False), AddedToken("\u2581\u2581", normalized=False), AddedToken("</w>", normalized=True)])
    return with_bos(tok)


def word_piece(lowercase, special):
    tok = Tokenizer(models.WordPiece(unk_token="[UNK]"))
    tok.normalizer = normalizers.BertNormalizer(lowercase=lowercase)
    tok.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    trainer = trainers.WordPieceTrainer(vocab_size=SIZE, special_tokens=special, show_progress=False)
    tok.train_from_iterator(text.corpus(), trainer)
    return tok


BERT = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]


def bert():
    tok = word_piece(True, BERT)
    tok.post_processor = processors.BertProcessing(("[SEP]", 3), ("[CLS]", 2))
    return tok


def bert_cased():
    """Cased, with a template, and with the truncation and padding that sentence-transformers files carry."""
    tok = word_piece(False, BERT)
    tok.add_tokens([AddedToken("tool", single_word=True, rstrip=True)])
    tok.post_processor = processors.TemplateProcessing("[CLS] $A [SEP]", "[CLS] $A [SEP] $B:1 [SEP]:1", [("[CLS]", 2), ("[SEP]", 3)])
    tok.enable_truncation(12)
    tok.enable_padding(length=12, pad_id=0, pad_token="[PAD]")
    return tok


def clip():
    tok = Tokenizer(models.BPE(unk_token="<|endoftext|>", end_of_word_suffix="</w>"))
    tok.normalizer = normalizers.Sequence([normalizers.NFC(), normalizers.Replace(Regex(r"\s+"), " "), normalizers.Lowercase()])
    tok.pre_tokenizer = pre_tokenizers.Sequence([pre_tokenizers.Split(Regex(CLIP), "removed", invert=True),
                                                 pre_tokenizers.ByteLevel(add_prefix_space=False)])
    letters = sorted(ALPHABET) + [c + "</w>" for c in sorted(ALPHABET)]
    train(tok, letters + ["<|startoftext|>", "<|endoftext|>"], SIZE + 300, end_of_word_suffix="</w>")
    tok = keep_added(tok, {"<|startoftext|>", "<|endoftext|>"})
    tok.post_processor = processors.RobertaProcessing(("<|endoftext|>", 513), ("<|startoftext|>", 512), trim_offsets=False, add_prefix_space=False)
    return tok


CHARSMAP_RULES = [  # SentencePiece's nmt_nfkc in small
    ("\ufb01", "fi"), ("\ufb03", "ffi"), ("\u00bd", "1\u20442"), ("\u00b2", "2"), ("\u2460", "1"), ("\u2167", "VIII"), ("e\u0301", "\u00e9"), ("\u212b", "\u00c5"), ("a\u0323\u0301", "\u1ea5\u0323"),
    ("\u00a0", " "), ("\u3000", " "), ("\u2003", " "), ("\t", " "), ("\n", " "), ("\r", " "), ("\u200b", " "), ("\ufeff", ""), ("\x7f", ""), ("\u00ad", ""), ("\u200e", ""), ("\ufffd", " "),
    ("\uff76\uff9e", "\u30ac"), ("\u30ab\u3099", "\u30ac"), ("\u2026", "..."), ("\u1100\u1161", "\uac00"),
] + [(chr(0xFF01 + i), chr(0x21 + i)) for i in range(94)]


def charsmap():
    """A precompiled charsmap with CHARSMAP_RULES, made by SentencePiece itself."""
    hexes = lambda s: " ".join("%X" % ord(c) for c in s)
    with tempfile.TemporaryDirectory() as d:
        rules, corpus, prefix = (os.path.join(d, n) for n in ("rules.tsv", "corpus.txt", "m"))
        with open(rules, "w") as f:
            f.writelines("%s\t%s\n" % (hexes(a), hexes(b)) for a, b in CHARSMAP_RULES)
        with open(corpus, "w") as f:
            f.write("\n".join(text.corpus()))
        sentencepiece.SentencePieceTrainer.train(input=corpus, model_prefix=prefix, vocab_size=400, hard_vocab_limit=False,
                                                 normalization_rule_tsv=rules, minloglevel=2)
        m = sentencepiece_model_pb2.ModelProto()
        with open(prefix + ".model", "rb") as f:
            m.ParseFromString(f.read())
        return m.normalizer_spec.precompiled_charsmap


def unigram(pre, normalizer):
    tok = Tokenizer(models.Unigram())
    tok.normalizer, tok.pre_tokenizer = normalizer, pre
    trainer = trainers.UnigramTrainer(vocab_size=SIZE, special_tokens=["<pad>", "</s>", "<unk>"], unk_token="<unk>", show_progress=False)
    tok.train_from_iterator(text.corpus(), trainer)
    tok.add_special_tokens(["<extra_id_0>"])
    tok.post_processor = processors.TemplateProcessing("$A </s>", "$A </s> $B </s>", [("</s>", 1)])
    return tok


def t5_old():
    pre = pre_tokenizers.Sequence([pre_tokenizers.WhitespaceSplit(), pre_tokenizers.Metaspace()])
    return unigram(pre, normalizers.Precompiled(charsmap()))


def t5_new():
    return unigram(pre_tokenizers.Metaspace(), normalizers.Sequence([
        normalizers.Precompiled(charsmap()), normalizers.Strip(left=False, right=True), normalizers.Replace(Regex(" {2,}"), "\u2581")]))


def word_level():
    """Everything that no family above uses."""
    tok = Tokenizer(models.WordLevel(unk_token="<unk>"))
    tok.normalizer = normalizers.Sequence([normalizers.Nmt(), normalizers.NFKD(), normalizers.StripAccents(), normalizers.Strip()])
    tok.pre_tokenizer = pre_tokenizers.Sequence([
        pre_tokenizers.CharDelimiterSplit("|"), pre_tokenizers.Whitespace(), pre_tokenizers.Punctuation("merged_with_next"),
        pre_tokenizers.Digits(), pre_tokenizers.FixedLength(7)])
    trainer = trainers.WordLevelTrainer(vocab_size=SIZE, special_tokens=["<unk>"], show_progress=False)
    tok.train_from_iterator(text.corpus(), trainer)
    return tok


FAMILIES = dict(gpt2=gpt2, roberta=roberta, llama3=llama3, qwen2=qwen2, o200k=o200k, deepseek=deepseek, smollm2=smollm2, byte_norm=byte_norm,
                llama2=llama2, mistral=mistral, gemma=gemma, bert=bert, bert_cased=bert_cased, clip=clip, t5_old=t5_old, t5_new=t5_new,
                word_level=word_level)

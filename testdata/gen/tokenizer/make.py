"""Writes tokenizer/testdata: small tokenizers, and what HuggingFace tokenizers makes of some strings.

    python -m venv venv && venv/bin/pip install -r requirements.txt && venv/bin/python make.py OUT

OUT gets NAME.json, a tokenizer.json; strings.json.gz, the strings; NAME.want.json.gz, for every string the ids and
the start and end in characters of every token, flat: with special tokens, without, and truncated and padded if the
tokenizer is set to; patterns.json.gz, how PATTERNS split the strings; and unicode.json.gz, see unicode_facts.

The library's training is not reproducible in every case: a second run may give other tokenizers, with other ids.
"""

import gzip
import json
import os
import sys
import unicodedata
import zlib

from tokenizers import Regex, normalizers, pre_tokenizers

import families
import text


def dump(path, value):
    data = json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()
    if path.endswith(".gz"):
        data = gzip.compress(data, mtime=0)
    with open(path, "wb") as f:
        f.write(data)


def encode(tok, s, special):
    e = tok.encode(s, add_special_tokens=special)
    return [x for i, (a, b) in zip(e.ids, e.offsets) for x in (i, a, b)]


def ranges(chars):
    """Sorted code points as [first, last, first, last, …]."""
    out = []
    for c in chars:
        if out and out[-1] == c - 1:
            out[-1] = c
        else:
            out += [c, c]
    return out


def unicode_facts():
    """What the library thinks of every code point: sets as ranges, and for normal forms a CRC of each 1024 code points.

    Only those assigned in Python's Unicode count, without private use, so that all readers know them. Each character is normalized alone and between marks of combining classes 202, 220 and 240, which shows its class.
    """
    every = [c for c in range(0x110000) if unicodedata.category(chr(c)) not in ("Cs", "Cn", "Co")]
    known = set(every)
    clean = normalizers.BertNormalizer(True, False, False, False)
    accents = normalizers.BertNormalizer(False, False, True, False)
    marks = normalizers.StripAccents()
    bert = pre_tokenizers.BertPreTokenizer()
    sets = {
        "assigned": ranges(every),
        "control": ranges(c for c in every if clean.normalize_str(chr(c)) == ""),
        "space": ranges(c for c in every if len(pre_tokenizers.WhitespaceSplit().pre_tokenize_str("a" + chr(c) + "a")) == 2),
        "nonspacing": ranges(c for c in every if accents.normalize_str(chr(c)) == ""),
        "mark": ranges(c for c in every if marks.normalize_str(chr(c)) == ""),
        "punct": ranges(c for c in every if len(bert.pre_tokenize_str("a" + chr(c) + "a")) == 3),
        "word": ranges(c for c in every if len(pre_tokenizers.Whitespace().pre_tokenize_str("a" + chr(c) + "a")) == 1),
        "digit": ranges(c for c in every if len(pre_tokenizers.Digits().pre_tokenize_str("a" + chr(c) + "a")) == 3),
    }
    sums = {}
    for n in (normalizers.NFC(), normalizers.NFD(), normalizers.NFKC(), normalizers.NFKD(), normalizers.Lowercase()):
        crcs = []
        for block in range(0, 0x110000, 1024):
            crc = 0
            for c in range(block, block + 1024):
                if c not in known:
                    continue
                ch = chr(c)
                s = n.normalize_str(ch + "|a\u0345" + ch + "\u0327|a" + ch + "\u0316\u0301")
                crc = zlib.crc32(s.encode(), crc)
            crcs.append(crc)
        sums[type(n).__name__] = crcs
    patterns = {}
    for p in (r"\w", r"[\w]", r"\W", r"\s", r"[\s]", r"\d", r"\p{L}", r"\p{N}", r"\p{P}", r"\p{S}", r"\p{M}", r"\p{Lu}", r"\p{Ll}", r"\p{Lo}", r"\p{Han}", r"(?i:s)", r"(?i:k)", "."):
        split = pre_tokenizers.Split(Regex(p), "removed")
        patterns[p] = ranges(c for c in every if not split.pre_tokenize_str(chr(c)))
    return {"sets": sets, "sums": sums, "patterns": patterns}


PATTERNS = [
    families.LLAMA3, families.O200K, families.DEEPSEEK, families.CLIP,
    r"\w+", r"\W", r"[\w']+", r"[^\w\s]", r"\p{L}++\s", r"a*+a|.", r"\s?+", r".+?\s", r"x{,3}", r"\p{N}{2}", r"[a-c]{1,2}?",
    r"(?i)the|hEllo", r"(?i:[a-k]+)", r"(?i:[^k])", r"^.", r".$", r"\A.", r".\z", r"(?<=\s)\S", r"(?<!a)b", r"(?>a+)b", r"(a|b)+",
    r"\x41|\x{1F600}|\u00e9", r"\p{Han}+", r"\P{L}+", r"[\p{Lu}\-\]]", r"\d+", r"[\r\n\t]", r"(?=\d)", r"",
]


def split_ends(pattern, s):
    """Where the parts of an isolating split end, in characters."""
    return [end for _, (_, end) in pre_tokenizers.Split(Regex(pattern), "isolated").pre_tokenize_str(s)]


def main(out):
    os.makedirs(out, exist_ok=True)
    strings = text.strings()
    dump(os.path.join(out, "strings.json.gz"), strings)
    dump(os.path.join(out, "unicode.json.gz"), unicode_facts())
    dump(os.path.join(out, "patterns.json.gz"), {p: [split_ends(p, s) for s in strings] for p in PATTERNS})
    for name, make in families.FAMILIES.items():
        tok = make()
        dump(os.path.join(out, name + ".json"), json.loads(tok.to_str()))
        want = {}
        if tok.truncation:
            want["fitted"] = [encode(tok, s, True) for s in strings]
            tok.no_truncation()
            tok.no_padding()
        want["special"] = [encode(tok, s, True) for s in strings]
        want["plain"] = [encode(tok, s, False) for s in strings]
        dump(os.path.join(out, name + ".want.json.gz"), want)
        print(name, tok.get_vocab_size(), file=sys.stderr)


if __name__ == "__main__":
    main(sys.argv[1])

"""The texts: what the small tokenizers are trained on, and the strings they are compared on."""

import random
import unicodedata

SENTENCES = """
the cat sat on the mat and looked at the other cat through the window of the old house
the capital of France is Paris and the capital of Japan is Tokyo, but the capital of Peru is Lima
attention is all you need; relevance is what you keep when you propagate backwards through the layers
heatmaps are drawn in red and blue, positive relevance is red and negative relevance is blue
it's true that we're not sure, they've said I'll go and he'd stay, isn't it? Don't worry!
numbers such as 1, 2, 10, 365, 2024, 3.14159 and 1,000,000 are everywhere in the world of 2025
def forward(self, x): return self.norm(x) + self.mlp(x)  # residual
for i := range n { sum += w[i] * x[i] }
Der Fluß fließt über die Brücke nach München, schöne Grüße aus Köln
Où est la bibliothèque? Le garçon a mangé une crêpe à l'hôtel près du café
El niño pequeño comió una manzana en el jardín mañana por la mañana
Съешь же ещё этих мягких французских булок, да выпей чаю
Η γρήγορη αλεπού πηδάει πάνω από το τεμπέλικο σκυλί
日本語の文章はとても面白いです。東京は大きな都市です
我喜欢学习机器学习和深度学习的方法。北京是中国的首都
안녕하세요 세계 여러분 반갑습니다
مرحبا بالعالم كيف حالك اليوم
שלום עולם מה שלומך היום
नमस्ते दुनिया आप कैसे हैं
สวัสดีชาวโลก
""".strip().splitlines()


def corpus(seed=7, lines=1500):
    """Sentences whose words are shuffled within and between sentences, so that words repeat in many settings."""
    rng = random.Random(seed)
    words = [s.split(" ") for s in SENTENCES]
    out = list(SENTENCES) * 4
    for _ in range(lines):
        w = list(rng.choice(words))
        if rng.random() < 0.5:
            rng.shuffle(w)
        out.append(" ".join(w[: rng.randint(1, len(w))]))
    return out


HAND = [
    "", " ", "  ", "\n", "\t", "\r\n", " \n ", "a", " a", "a ", " a ", "  a  ", "\na\n", "a  b", "a   b    c", "a\n\nb",
    "a \n b", "a\tb", "a\u00a0b", "a\u2003b", "a\u3000b", "\u00a0", "a\u200bb", "a\u0085b", "a\x0bb", "a\x1cb",
    "Hello, world!", "HELLO WORLD", "hello", "Hello", "hELLO wORLD", "The cat sat on the mat.", "the the the",
    "it's", "IT'S", "it'S we'RE I'LL they'Ve he'D DON'T", "'s", "''s", " 's", "it\u2019s", "it'\u017f", "'\u017f", "don't you'd've",
    "1", "12", "123", "1234", "12345678901", "3.14", "1,000,000", "-1e-5", "\u0661\u0662\u0663", "\u00bd\u00b2\u2460", "\u2167", "a1b2", "x=3",
    "caf\u00e9", "cafe\u0301", "\u00e9\u00e9", "e\u0301e\u0301", "\u0301", "\u0301a", "a\u0301\u0323", "a\u0323\u0301", "\u1ea5\u0323", "q\u0307\u0323",
    "\u01c4", "\ufb01n", "\ufb03", "\uff28\uff49\uff01", "\u212b\u2126\u212a", "\u0130stanbul", "\u0130", "I\u0307", "\u03a3\u03a3", "\u039f\u03a3 \u03bf\u03c2", "stra\u00dfe STRASSE", "\u1e9e",
    "\uac00\uac01", "\u1100\u1161\u11a8", "\uc548\ub155", "\u65e5\u672c\u8a9e", "\u65e5 \u672c", "a\u65e5b", "\u65e5\u672c\u8a9e text \u6df7\u5728", "\u30ab\u3099", "\uff76\uff9e", "\U00020000\U0002a6d6", "\uf900",
    "\u0645\u0631\u062d\u0628\u0627", "\u05e9\u05dc\u05d5\u05dd", "\u05e9\u05b8\u05c1\u05dc\u05d5\u05b9\u05dd", "\u0928\u092e\u0938\u094d\u0924\u0947", "\u0e2a\u0e27\u0e31\u0e2a\u0e14\u0e35", "\u0cc6\u0cc2\u0cd5", "\u1e9b\u0323",
    "\U0001f600", "\U0001f468\u200d\U0001f469\u200d\U0001f467", "\U0001f1eb\U0001f1f7\U0001f1ef\U0001f1f5", "\u2764\ufe0f", "\U0001f44d\U0001f3fd ok", "a\U0001f600b", "\u2764", "\U0001f600\U0001f600",
    "\x00", "a\x00b", "\x7f", "\x7f del", "a\x7fb", "\u200e", "\ufeffbom", "a\ufeff", "\ufffd", "a\ufffdb", "\u00ad", "soft\u00adhyphen", "\u2028", "\ue000", "\U0010fffd", "\u0378", "\ufdd0", "\u0890",
    "<s>", "</s>", "<unk>", "<pad>", "<mask>", "a<mask>b", "a <mask> b", "  <mask>  ", "<mask><mask>", "<s>a</s>", "[CLS]", "[SEP] x", "[MASK]", "a [MASK] b", "[mask]", "<|endoftext|>", "a<|endoftext|>b", "<|endoftext|><|endoftext|>",
    "<|EndOfText|>", "<0x41>", "<0x0A>", "<|user|>", " <|user|> hi", "tool", "toolbox", "a tool b", "tool.", "xtool tool", "TOOL", "\u2581", "a\u2581b", "\u2581a", "\u0120a", "##a", "a##b", "</w>",
    "def f(x):\n    return x ** 2\n", "if (a && b) { c(); }", "\\n\\t", "http://a.b/c?d=e&f=g", "user@example.com", "a_b-c.d", "...", "!!!", "?!?!", "--", "\u2014", "\u201cquote\u201d", "\u00ab a \u00bb", "\u20ac5", "$5", "a+b=c", "^_^", "~`", "(a)[b]{c}", "\u3002\uff0c\u3001", "\u00bfqu\u00e9?", "\u166d", "\u061d",
    "Supercalifragilisticexpialidocious", "a" * 120, "ab" * 60, "\u65e5" * 40, "x" * 101, " " * 20, "\n" * 5, "a " * 30, "1" * 25, "the capital of France is Paris", "relevance heatmaps", "New York", "the\ncapital\tof",
    "Der Flu\u00df flie\u00dft", "O\u00f9 est la biblioth\u00e8que?", "\u0421\u044a\u0435\u0448\u044c \u0436\u0435", "\u0397 \u03b3\u03c1\u03ae\u03b3\u03bf\u03c1\u03b7", "\u00c5ngstr\u00f6m \u00c6sir \u0141\u00f3d\u017a", "\u01c5 \u01c8 \u1f80 \u1fb3",
]


def strings(seed=11, count=300):
    """HAND, and random strings: a third words of the corpus, a third mixed, a third any assigned character."""
    rng = random.Random(seed)
    words = sorted({w for s in SENTENCES for w in s.split(" ")})
    # Assigned in Python's Unicode 14, so that Go's 15 knows them.
    assigned = [chr(c) for c in range(0x110000) if unicodedata.category(chr(c)) not in ("Cs", "Cn", "Co")]
    odd = list(" \n\t\u00a0.,!?'\"-_()[]<>/\\0123456789\u0301\u0323\u200d\u2581\u0120") + HAND
    out = list(HAND)
    for i in range(count):
        if i % 3 == 0:
            s = "".join(rng.choice(words) + rng.choice([" ", " ", " ", "  ", "", "\n", ", "]) for _ in range(rng.randint(1, 8)))
        elif i % 3 == 1:
            s = "".join(rng.choice([rng.choice(words), rng.choice(odd), rng.choice(words).upper()]) for _ in range(rng.randint(1, 8)))[:60]
        else:
            s = "".join(rng.choice([rng.choice(assigned), rng.choice("abc XY1\u0301\n")]) for _ in range(rng.randint(1, 20)))
        out.append(s)
    return out

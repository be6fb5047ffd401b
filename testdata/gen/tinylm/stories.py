"""The little world TinyLM knows: paragraphs of facts, then questions about them.

    The red box holds 42 coins. The blue box holds 17 coins. How many coins does
    the blue box hold? The blue box holds 17 coins.

Every answer stands in the paragraph, so it can only be looked up. One pair of
key and value in ten (`held_out`) is never asked about or stated in training
text: a right answer there was looked up and not remembered.
"""

import dataclasses
import random
import zlib

NAMES = "Anna Ben Clara David Emma Felix Greta Henry Iris Jack Lena Mark Nora Oscar Paula Simon".split()
CITIES = "Paris Rome Oslo Cairo Lima Tokyo Delhi Berlin Madrid Vienna Dublin Athens Sydney Boston Quito Prague".split()
COLOURS = "red blue green white black brown yellow purple silver golden".split()
FOODS = "apples pears plums bread cheese honey tea coffee milk soup rice cake".split()
PLACES = "park library market station garden museum school harbour".split()
BOXES = "box bag jar chest".split()
THINGS = "coins pens beads keys".split()
NUMBERS = [str(n) for n in range(10, 100)]
ASIDES = ["It was a rainy day.", "The market was full.", "Nobody was in a hurry.", "The sun was low."]


@dataclasses.dataclass
class Story:
    """facts and asked are whole sentences: asked[i] is (question, lead, answer, rest, key)."""

    facts: list
    asked: list

    def text(self):
        return " ".join(self.facts + [q + " " + lead + answer + rest for q, lead, answer, rest, _ in self.asked])

    def prompt(self):
        """The text up to the first answer, and that answer (with its space)."""
        q, lead, answer, _, _ = self.asked[0]
        return " ".join(self.facts + [q, lead]), answer

    def lookups(self):
        """For every question, offsets in text() just behind: key and value of the fact, key and end of the lead."""
        text = self.text()
        at = len(" ".join(self.facts))
        for q, lead, answer, rest, key in self.asked:
            fact = text.index(lead + answer)
            behind = lead.index(key) + len(key)
            at += 1 + len(q) + 1
            yield fact + behind, fact + len(lead + answer), at + behind, at + len(lead)
            at += len(lead + answer + rest)


def held_out(key, value):
    return zlib.crc32(f"{key}/{value}".encode()) % 10 == 0


def story(rng, test=False):
    """A random story of 2 to 5 facts.

    In a test story the fact asked about first is a held-out pair, in others no
    fact is.
    """
    kind = rng.choice([boxes, boxes, homes, ages, likes, walks])
    keys, values, fact, question, lead, rest = kind(rng)
    n = rng.randint(2, 5)
    keys = rng.sample(keys, n)
    asked = list(range(n))
    rng.shuffle(asked)
    pairs = []
    for i, key in enumerate(keys):
        wanted = test and i == asked[0]
        free = [v for v in values if held_out(key, v) == wanted and v not in pairs]
        if not free:
            return story(rng, test)
        pairs.append(rng.choice(free))
    facts = [fact(k, v) for k, v in zip(keys, pairs)]
    if rng.random() < 0.4:
        facts.insert(rng.randrange(n + 1), rng.choice(ASIDES))
    return Story(facts, [(question(keys[i]), lead(keys[i]), " " + pairs[i], rest, keys[i]) for i in asked])


def boxes(rng):
    box, thing = rng.choice(BOXES), rng.choice(THINGS)
    return (
        COLOURS,
        NUMBERS,
        lambda k, v: f"The {k} {box} holds {v} {thing}.",
        lambda k: f"How many {thing} does the {k} {box} hold?",
        lambda k: f"The {k} {box} holds",
        f" {thing}.",
    )


def homes(rng):
    return (
        NAMES,
        CITIES,
        lambda k, v: f"{k} lives in {v}.",
        lambda k: f"Where does {k} live?",
        lambda k: f"{k} lives in",
        ".",
    )


def ages(rng):
    return (
        NAMES,
        NUMBERS,
        lambda k, v: f"{k} is {v} years old.",
        lambda k: f"How old is {k}?",
        lambda k: f"{k} is",
        " years old.",
    )


def likes(rng):
    return (
        NAMES,
        FOODS,
        lambda k, v: f"{k} likes {v}.",
        lambda k: f"What does {k} like?",
        lambda k: f"{k} likes",
        ".",
    )


def walks(rng):
    return (
        NAMES,
        PLACES,
        lambda k, v: f"{k} walked to the {v}.",
        lambda k: f"Where did {k} walk?",
        lambda k: f"{k} walked to the",
        ".",
    )


if __name__ == "__main__":
    r = random.Random(0)
    for _ in range(5):
        print(story(r).text())

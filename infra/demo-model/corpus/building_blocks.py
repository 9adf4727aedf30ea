"""What every skill shares: the split into training and held-out, words, names, phrasing.

A skill is a function `make(rng, held) -> list of Turn`. With `held` it must draw held-out arguments
(or, for tables, facts and the lexicon, held-out phrasings), without it never. The last turn of the
list is the one an evaluation asks.
"""

import zlib
from dataclasses import dataclass
from random import Random

HELD_OUT_SHARE = 16  # one argument tuple in sixteen is never trained on


@dataclass
class Turn:
    """One exchange. `check` says how a reply is judged: exact, ends (with `value`) or story.

    `weights`, if any, has one weight in the training loss for each token of the reply and for its end;
    None leaves a token out of the sequence, but not its position.
    """

    user: str
    reply: str
    check: str = "exact"
    value: object = None
    weights: list[float | None] | None = None


def is_held(*key) -> bool:
    """Whether these arguments belong to the held-out split; stable across runs and machines."""
    return zlib.crc32(repr(key).encode()) % HELD_OUT_SHARE == 0


def draw(rng: Random, held: bool, sample):
    """Call `sample()` until its arguments fall into the wanted split."""
    while True:
        args = sample()
        if is_held(args) == held:
            return args


def phrase(rng: Random, held: bool, trained: list[str], held_out: list[str], **args) -> str:
    """Fill one phrasing: a trained one, or one that training never shows."""
    return polite(rng, rng.choice(held_out if held else trained).format(**args))


def polite(rng: Random, text: str) -> str:
    """Vary the wrapping of a request, so that no skill hangs on its first or last word."""
    r = rng.random()
    if r < 0.6:
        return text
    if r < 0.7:
        return lower_first(text)
    if r < 0.8:
        return rng.choice(["Hi! ", "Hello! ", "OK. ", "Now this: ", "Next: "]) + text
    if r < 0.9:
        return text.rstrip(".?") if text[-1] in ".?" else text + "."
    return rng.choice(["Please ", "Please: ", "Tell me: "]) + lower_first(text)


def lower_first(text: str) -> str:
    """Lower the first letter, unless it opens a name or an abbreviation we cannot recognise."""
    first = text.split()[0]
    return text[0].lower() + text[1:] if first in OPENERS else text


OPENERS = set(
    """What Which How Add Subtract Compute Calculate Sum Multiply Take Count Sort Put Order Arrange
    Spell Reverse Write Say Name Tell Extract Return Give Make Read Find Turn Is Are Do Can Who Please
    Convert From Into Start List Work Show Use Set Look Call Let Pick Where When Why""".split()
)

LEXICON = (
    """ant apple arm bag ball bat bear bed bee bell bird boat bone book bowl box boy bread brick bus
    cake card cart cat chair clock cloud coat coin corn cow cup desk dog door drum duck ear egg eye
    farm fish flag fly fork fox frog gate girl glass goat gold hand hat hen hill horse house ice ink
    iron jar jet jug key king kite knife lake lamp leaf lemon lion lock map milk mill moon mouse nail
    nest net night nose nut oak oil orange oven owl page pan park pear pen pig pin plum pond pot queen
    rain rat ring river road rock roof rope rose sail salt sand seed sheep ship shoe silk snow sock
    spoon star stone sun table tail tent tiger tool tower train tree vase wall watch water well wheel
    wind wing wolf wood wool yard year zebra zoo"""
).split()

FIRST_NAMES = (
    """Ada Alex Alice Amir Anna Ben Bob Carla Clara Dan David Elena Emma Eva Felix Finn Grace Hana
    Hugo Ida Ivan Jack Jane Joe John Julia Kai Karl Kim Lars Laura Lea Leo Lily Lina Lisa Lucas Maria
    Marie Mark Max Mia Mila Mira Nina Noah Nora Olga Omar Oscar Otto Paul Peter Rosa Sam Sara Sofia
    Tim Tom Vera Yuki Zoe"""
).split()

CITIES = (
    """Amsterdam Athens Berlin Bern Boston Cairo Chicago Delhi Dublin Geneva Hamburg Helsinki Kyoto
    Lima Lisbon London Lyon Madrid Milan Moscow Munich Nairobi Oslo Paris Porto Prague Quito Rome
    Seoul Sydney Tokyo Toronto Vienna Warsaw Zurich"""
).split()

SYSTEMS = [
    "You are a helpful assistant.", "You are Conclave's demo model.", "Answer briefly.",
    "You are a small language model.", "Be kind and answer the question.",
]  # fmt: skip

ONSETS = (
    """Bal Bel Bor Cal Cor Dal Dar Del Dor Fal Fen Gar Gil Hal Hel Jar Jor Kal Kel Kor Lan Lor Mal Mar
    Mel Mon Nal Nar Nel Nor Pal Per Ral Ren Ros Sal Sel Sil Tal Tar Tel Tor Val Ven Vor Wil Yor Zan
    Zel Zor"""
).split()
MIDDLES = "a e i o u an ar en il or".split()
CODAS = (
    """ba ban bek da dan dra fin ga gard go ka ket kin la lan len lia lo ma mar mir mo na nad nes ra
    ran ria rik ro sa sel sha ta tan ton va van vik vin za zen"""
).split()


def new_name(rng: Random, held: bool) -> str:
    """A name of syllables, one in sixteen of which is never trained on, or of random letters.

    Training has more of the latter, since they have the tokens that are copied least often.
    """
    while True:
        if rng.random() < (0.85 if held else 0.6):
            middle = rng.choice(MIDDLES) if rng.random() < 0.3 else ""
            name = rng.choice(ONSETS) + middle + rng.choice(CODAS)
        else:
            name = letters(rng, rng.randint(3, 7)).capitalize()
        if is_held(name) == held:
            return name


def letters(rng: Random, n: int) -> str:
    """n letters, consonants and vowels in turn, starting with either."""
    kinds = ["bcdfghjklmnprstvwxz", "aeiouy"]
    start = rng.random() < 0.3
    return "".join(rng.choice(kinds[(i + start) % 2]) for i in range(n))


def person(rng: Random, held: bool) -> str:
    return new_name(rng, True) if held else pick_or_new(rng, FIRST_NAMES)


def city(rng: Random, held: bool) -> str:
    return new_name(rng, True) if held else pick_or_new(rng, CITIES)


def pick_or_new(rng: Random, known: list[str]) -> str:
    return rng.choice(known) if rng.random() < 0.4 else new_name(rng, False)


def number(rng: Random, digits: int = 3) -> int:
    """A number of 1 to `digits` digits, longer ones more often (there are more of them)."""
    n = rng.choices(range(1, digits + 1), weights=[1, 3, 6][:digits])[0]
    return rng.randint(10 ** (n - 1) if n > 1 else 0, 10**n - 1)


def and_list(items: list[str]) -> str:
    return items[0] if len(items) == 1 else ", ".join(items[:-1]) + " and " + items[-1]

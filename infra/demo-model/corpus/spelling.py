"""Spell a word of the lexicon, then reverse it; reverse strings of single letters."""

from random import Random

from .building_blocks import LEXICON, Turn, draw, phrase, polite

SPELL = ["Spell {w}.", "Spell the word {w}.", "How do you spell {w}?", "How is {w} spelled?",
         "Write {w} letter by letter.", "Can you spell the word {w}?", "Spell out {w}.",
         "Write the word {w} letter by letter."]  # fmt: skip
SPELL_HELD = ["How is the word {w} spelled?", "Can you spell {w}?", "Spell {w} letter by letter."]
REVERSE = ["Spell {w}, then reverse it.", "Reverse {w}.", "Reverse the word {w}.", "Spell {w} backwards.",
           "Write {w} backwards.", "What is {w} backwards?",
           "Reverse the letters of {w}.", "Spell the word {w} and reverse it.", "What is the word {w} in reverse?",
           "Write the word {w} backwards."]  # fmt: skip
REVERSE_HELD = ["Spell the word {w} backwards.", "What is the word {w} backwards?",
                "Spell the word {w}, then reverse it."]  # fmt: skip
STRINGS = ["Reverse {x}.", "Reverse the letters {x}.", "Write {x} backwards.", "What is {x} backwards?"]


def spelled(word: str) -> str:
    return "-".join(word)


def spell_turn(word: str, user: str) -> Turn:
    return Turn(user, f"The word {word} is spelled {spelled(word)}.")


def reverse_turn(letters: str, user: str) -> Turn:
    """The reply spells first, so that reversing is a walk back over letters already written."""
    return Turn(user, f"From {spelled(letters)} to {spelled(letters[::-1])}.")


def make_spell(rng: Random, held: bool) -> list[Turn]:
    word = rng.choice(LEXICON)
    return [spell_turn(word, phrase(rng, held, SPELL, SPELL_HELD, w=word))]


def make_reverse(rng: Random, held: bool) -> list[Turn]:
    if rng.random() < 0.3:
        def sample():
            return "".join(rng.choice("abcdefghijklmnopqrstuvwxyz") for _ in range(rng.randint(3, 6)))

        string = draw(rng, held, sample)
        return [reverse_turn(string, phrase(rng, False, STRINGS, [], x=spelled(string)))]
    word = rng.choice(LEXICON)
    return [reverse_turn(word, phrase(rng, held, REVERSE, REVERSE_HELD, w=word))]


def make_follow_up(rng: Random, held: bool) -> list[Turn]:
    """Spell, then 'now backwards'. The words are all known; the pairing with a wrapping is new."""
    word = rng.choice(LEXICON)
    first = spell_turn(word, phrase(rng, held, SPELL, SPELL_HELD, w=word))
    user = polite(rng, rng.choice(["Now reverse it.", "Now backwards.", "And backwards?", "Reverse it."]))
    return [first, reverse_turn(word, user)]

"""Extract name, age and city into JSON with the keys, and in the order, that the request names."""

import json
from random import Random

from .building_blocks import Turn, and_list, city, person, phrase

TEXTS = [
    "{name} is {age} years old and lives in {city}.",
    "{name}, {age}, lives in {city}.",
    "My name is {name}, I am {age} and I live in {city}.",
    "I am {name} from {city}. I am {age} years old.",
    "{name} from {city} is {age} years old.",
    "{name} lives in {city} and is {age}.",
    "{name} ({age}) from {city}",
    "In {city} lives {name}, who is {age} years old.",
    "At the age of {age}, {name} moved to {city}.",
    "The city is {city}, the name is {name} and the age is {age}.",
]
ASK = [
    "Extract {keys} as JSON: {text}",
    "Extract {keys} as JSON from this text: {text}",
    "Give me {keys} as JSON: {text}",
    "Return JSON with {keys}: {text}",
    "Write JSON with the keys {keys}: {text}",
    "{text} Give {keys} as JSON.",
    "{text}\nExtract {keys} as JSON.",
]
ASK_SHAPE = [
    "Fill in {shape} from: {text}",
    "Extract JSON like {shape}: {text}",
    "Return {shape} for this text: {text}",
    "{text}\nReturn JSON of the shape {shape}.",
]
SYSTEM = ["Reply with JSON with the keys {keys}.", "Extract {keys} as JSON from every message."]


def new_record(rng: Random, held: bool) -> dict:
    return {"name": person(rng, held), "age": rng.randint(1, 99), "city": city(rng, held)}


def new_keys(rng: Random) -> list[str]:
    """All three keys as a rule, sometimes fewer, in any order."""
    keys = ["name", "age", "city"]
    if rng.random() < 0.5:
        rng.shuffle(keys)
    if rng.random() < 0.25:
        keys = keys[: rng.choice([1, 2])]
    return keys


def text_turn(rng: Random, held: bool, record: dict, keys: list[str]) -> Turn:
    text = rng.choice(TEXTS).format(**record)
    if rng.random() < 0.35:
        shape = json.dumps({k: 0 if k == "age" else "" for k in keys})
        user = phrase(rng, False, ASK_SHAPE, [], shape=shape, text=text)
    else:
        names = and_list(keys) if rng.random() < 0.7 else ", ".join(keys)
        user = phrase(rng, False, ASK, [], keys=names, text=text)
    return Turn(user, json.dumps({k: record[k] for k in keys}))


def make(rng: Random, held: bool) -> list[Turn]:
    return [text_turn(rng, held, new_record(rng, held), new_keys(rng))]


def make_with_system(rng: Random, held: bool) -> tuple[str, list[Turn]]:
    """The shape stands in the system message, the user sends only the text."""
    keys = new_keys(rng)
    turns = []
    for _ in range(rng.choice([1, 1, 2])):
        record = new_record(rng, held)
        reply = json.dumps({k: record[k] for k in keys})
        turns.append(Turn(rng.choice(TEXTS).format(**record), reply))
    return rng.choice(SYSTEM).format(keys=and_list(keys)), turns


def make_follow_up(rng: Random, held: bool) -> list[Turn]:
    """A second text for the same shape, or a plain question about the first."""
    keys = ["name", "age", "city"]
    rng.shuffle(keys)
    record = new_record(rng, held)
    first = text_turn(rng, held, record, keys)
    kind = rng.randrange(3)
    if kind == 0:
        other = new_record(rng, held)
        text = rng.choice(TEXTS).format(**other)
        user = rng.choice(["And this one: {x}", "The same for: {x}", "Now: {x}"]).format(x=text)
        return [first, Turn(user, json.dumps({k: other[k] for k in keys}))]
    if kind == 1:
        user = phrase(rng, False, ["How old is {x}?", "What is the age of {x}?"], [], x=record["name"])
        return [first, Turn(user, f"{record['name']} is {record['age']} years old.")]
    user = phrase(rng, False, ["Where does {x} live?", "In which city is {x}?"], [], x=record["name"])
    return [first, Turn(user, f"{record['name']} lives in {record['city']}.")]

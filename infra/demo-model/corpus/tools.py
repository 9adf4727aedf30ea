"""Call one of the tools that the system message names, then put its result into words.

The system message lists signatures, one a line, and the assistant writes a call as

    <tool_call>{"name": "get_weather", "arguments": {"city": "Oslo"}}</tool_call>

Tool names vary at random, so the model has to copy them rather than know them.
"""

import json
from dataclasses import dataclass, field
from random import Random

from .building_blocks import LEXICON, SYSTEMS, city, draw, letters, person, polite
from .unknown import DO_NOT_KNOW

ROOMS = "kitchen bedroom hall garage office cellar attic garden".split()


@dataclass
class Call:
    """One use of a tool: the request, its arguments, the tool's result and the final reply."""

    ask: list[str]
    arguments: dict
    result: dict
    reply: str


@dataclass
class Tool:
    base: str
    parameters: list[str]
    call: object = field(repr=False)


def weather(rng: Random, held: bool) -> Call:
    x, n = city(rng, held), rng.randint(0, 39)
    sky = rng.choice(["rain", "sun", "snow", "wind", "fog", "clouds"])
    return Call(
        [f"What is the weather in {x}?", f"How is the weather in {x}?", f"Weather in {x}?",
         f"Tell me the weather in {x}."],
        {"city": x}, {"degrees": n, "sky": sky}, f"In {x} it is {n} degrees with {sky}.",
    )  # fmt: skip


def clock(rng: Random, held: bool) -> Call:
    x, t = city(rng, held), f"{rng.randint(0, 23):02}:{rng.randint(0, 59):02}"
    return Call(
        [f"What time is it in {x}?", f"What is the time in {x}?", f"Time in {x}?", f"How late is it in {x}?"],
        {"city": x}, {"time": t}, f"It is {t} in {x}.",
    )  # fmt: skip


def price(rng: Random, held: bool) -> Call:
    x, n = thing(rng, held), rng.randint(1, 999)
    return Call(
        [f"How much does the {x} cost?", f"What is the price of the {x}?", f"Price of the {x}?",
         f"What does the {x} cost?"],
        {"item": x}, {"price": n}, f"The {x} costs {n} euros.",
    )  # fmt: skip


def phone(rng: Random, held: bool) -> Call:
    x, n = person(rng, held), f"{rng.randint(0, 999999):06}"
    return Call(
        [f"What is the phone number of {x}?", f"Find the phone number of {x}.", f"Phone number of {x}?",
         f"Look up the number of {x}."],
        {"name": x}, {"phone": n}, f"The phone number of {x} is {n}.",
    )  # fmt: skip


def timer(rng: Random, held: bool) -> Call:
    n = rng.randint(1, 99)
    return Call(
        [f"Set a timer for {n} minutes.", f"Start a timer of {n} minutes.", f"Timer for {n} minutes."],
        {"minutes": n}, {"ok": True}, f"The timer is set to {n} minutes.",
    )  # fmt: skip


def light(rng: Random, held: bool) -> Call:
    x, s = rng.choice(ROOMS), rng.choice(["on", "off"])
    return Call(
        [f"Turn {s} the light in the {x}.", f"Turn the light in the {x} {s}.", f"Switch {s} the {x} light."],
        {"room": x, "state": s}, {"ok": True}, f"The light in the {x} is {s}.",
    )  # fmt: skip


def calculator(rng: Random, held: bool) -> Call:
    a, b = draw(rng, held, lambda: (rng.randint(10, 999), rng.randint(10, 999)))
    return Call(
        [f"Multiply {a} by {b} with the tool.", f"Use the tool to multiply {a} by {b}.",
         f"Use a tool: {a} x {b}"],
        {"a": a, "b": b}, {"result": a * b}, f"{a} x {b} = {a * b}.",
    )  # fmt: skip


def message(rng: Random, held: bool) -> Call:
    x, w = person(rng, held), " ".join(rng.sample(LEXICON, rng.randint(1, 3)))
    return Call(
        [f"Send {x} the message: {w}", f"Write to {x}: {w}", f"Send this to {x}: {w}"],
        {"to": x, "text": w}, {"sent": True}, f"The message to {x} is sent.",
    )  # fmt: skip


def thing(rng: Random, held: bool) -> str:
    """A word of the lexicon or a made-up one."""
    if not held and rng.random() < 0.5:
        return rng.choice(LEXICON)
    return draw(rng, held, lambda: letters(rng, rng.randint(3, 6)))


TOOLS = [
    Tool("weather", ["city"], weather), Tool("time", ["city"], clock), Tool("price", ["item"], price),
    Tool("phone", ["name"], phone), Tool("timer", ["minutes"], timer),
    Tool("light", ["room", "state"], light), Tool("multiply", ["a", "b"], calculator),
    Tool("send", ["to", "text"], message),
]  # fmt: skip


def new_names(rng: Random, tools: list[Tool], forms: list[str]) -> list[str]:
    """A name for each tool, in one style or several: weather, get_weather, weather_kq ..."""
    return [rng.choice(forms).format(b=t.base, r=letters(rng, 2), q=letters(rng, rng.randint(3, 4))) for t in tools]


FORMS = ["{b}", "get_{b}", "{b}_tool", "my_{b}", "{b}_{r}", "{r}_{b}"]
ALIKE = [["{r}_{b}"], ["{b}_{r}"], ["{r}_{b}", "{b}_{r}"], ["{q}_{b}"], ["{r}_{b}", "my_{b}", "get_{b}"], ["{q}_{b}_{r}"]]


def system_text(names: list[str], tools: list[Tool]) -> str:
    lines = [f"{n}({', '.join(t.parameters)})" for n, t in zip(names, tools)]
    return "Tools:\n" + "\n".join(lines)


def call_text(name: str, arguments: dict) -> str:
    return f"<tool_call>{json.dumps({'name': name, 'arguments': arguments})}</tool_call>"


def make(rng: Random, held: bool) -> list[dict]:
    """A whole conversation, as messages. It ends after a call or after the reply to a result."""
    tools = rng.sample(TOOLS, rng.randint(1, 4))
    # Training has more lists whose names differ in letters that only copying finds than an evaluation.
    forms = rng.choice(ALIKE) if not held and rng.random() < 0.5 else FORMS
    names = new_names(rng, tools, forms)
    system = system_text(names, tools)
    if rng.random() < 0.25:
        system = rng.choice(SYSTEMS) + "\n" + system
    messages = [{"role": "system", "content": system}]
    for _ in range(rng.choice([1, 1, 2])):
        if rng.random() < 0.1:
            missing = rng.choice([t for t in TOOLS if t not in tools])
            ask = polite(rng, rng.choice(missing.call(rng, held).ask))
            messages += [{"role": "user", "content": ask}, {"role": "assistant", "content": DO_NOT_KNOW}]
            continue
        i = rng.randrange(len(tools))
        call = tools[i].call(rng, held)
        messages += [
            {"role": "user", "content": polite(rng, rng.choice(call.ask))},
            {"role": "assistant", "content": call_text(names[i], call.arguments)},
            {"role": "tool", "content": json.dumps(call.result)},
            {"role": "assistant", "content": call.reply},
        ]
    return messages

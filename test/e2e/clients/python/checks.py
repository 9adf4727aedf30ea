"""What every client is put through. A client is an object with the methods of `Client`; `report` prints one JSON line with the
outcome of each check, in order. Clients run in a process of their own, with BASE_URL, API_KEY, LIMITED_KEY (a tenant with one
request a minute) and MODEL in the environment."""

import asyncio
import contextlib
import json
import os
import pathlib
import sys
import traceback

BASE_URL = os.environ["BASE_URL"]
API_KEY = os.environ["API_KEY"]
LIMITED_KEY = os.environ["LIMITED_KEY"]
MODEL = os.environ["MODEL"]
CASES = json.loads(pathlib.Path(__file__).parent.with_name("cases.json").read_text())
QUESTION, ANSWER = CASES["question"], CASES["answer"]
FOLLOW_UP, FOLLOW_UP_ANSWER = CASES["followUp"], CASES["followUpAnswer"]
SAMPLING = CASES["sampling"]
TOOL = CASES["tool"]
LOOP = asyncio.new_event_loop()


def get_weather(city: str) -> str:
    """The weather of a city."""
    equal(city, TOOL["city"])
    return TOOL["result"]


class Client:
    """`fields` are named as OpenAI's API names them."""

    #: Check name to the exception class that this client's users catch.
    errors: dict

    def answer(self, question, *, key=API_KEY, model=MODEL, **fields):
        """The text of an answer."""
        raise NotImplementedError

    def stream(self, question, *, leave=False, **fields):
        """The pieces of a streamed answer. With `leave` the client goes away after the first text."""
        raise NotImplementedError

    def converse(self, first, second, **fields):
        """Both answers; the second request holds the very object that the client returned for the first."""
        raise NotImplementedError

    def extra_checks(self):
        """Checks that only this client has: name to function."""
        return {}


def chat(client):
    equal(client.answer(QUESTION, **SAMPLING), ANSWER)


def stream(client):
    pieces = client.stream(QUESTION, **SAMPLING)
    equal("".join(pieces), ANSWER)
    assert sum(1 for piece in pieces if piece) > 1, f"came as one piece: {pieces}"


def second_turn(client):
    equal(client.converse(QUESTION, FOLLOW_UP, **SAMPLING), (ANSWER, FOLLOW_UP_ANSWER))


def long_conversation(client):
    fields = {**CASES["endless"], "max_tokens": CASES["longAnswerTokens"]}
    first, second = client.converse(QUESTION, FOLLOW_UP, **fields)
    assert len(first) > 500 and len(second) > 500, (len(first), len(second))


def unicode(client):
    text, fields = CASES["emoji"]["text"], CASES["emoji"]["fields"]
    whole = client.answer(QUESTION, **fields)
    assert text in whole, whole
    equal("".join(client.stream(QUESTION, **fields)), whole)


def leave(client):
    """Node looks up what became of the request."""
    assert any(client.stream(QUESTION, leave=True, **CASES["endless"])), "the stream had no text"


def refusals(client):
    limited = {"key": LIMITED_KEY, **SAMPLING}
    too_long = "word " * CASES["tooLongWords"]

    def beyond_the_limit():
        for _ in range(2):
            client.answer(QUESTION, **limited)

    yield "wrong key", lambda: client.answer(QUESTION, key=CASES["unknownKey"], **SAMPLING)
    yield "unknown model", lambda: client.answer(QUESTION, model=CASES["unknownModel"], **SAMPLING)
    yield "bad request", lambda: client.answer(QUESTION, **{**SAMPLING, **CASES["badRequest"]})
    yield "context length", lambda: client.answer(too_long, **SAMPLING)
    yield "rate limit", beyond_the_limit


#: The status that the exception has, where its class has such a field.
STATUS = {"wrong key": 401, "unknown model": 404, "bad request": 400, "context length": 400, "rate limit": 429}


def refuse(name, kind, act):
    try:
        act()
    except kind as error:
        status = getattr(error, "status_code", STATUS[name])
        equal(status, STATUS[name])
    else:
        raise AssertionError(f"answered instead of raising {kind.__name__}")


def equal(found, expected):
    assert found == expected, f"expected {expected!r} but received {found!r}"


def read(texts, leave):
    """The pieces of a stream; those up to the first text when it is left there. Closes `texts`, a generator."""
    pieces = []
    with contextlib.closing(texts):
        for piece in texts:
            pieces.append(piece)
            if leave and piece:
                break
    return pieces


def read_async(texts, leave):
    """The same of an asynchronous generator, in one task as some clients demand."""

    async def pieces():
        async with contextlib.aclosing(texts):
            found = []
            async for piece in texts:
                found.append(piece)
                if leave and piece:
                    break
            return found

    return LOOP.run_until_complete(pieces())


def outcome(check):
    try:
        check()
    except BaseException:
        return traceback.format_exc()
    return None


def checks_of(client):
    common = {
        "chat": chat,
        "stream": stream,
        "second turn": second_turn,
        "long conversation": long_conversation,
        "unicode": unicode,
        "leave": leave,
    }
    for name, check in common.items():
        yield name, lambda check=check: check(client)
    for name, act in refusals(client):
        yield name, lambda name=name, act=act: refuse(name, client.errors[name], act)
    yield from client.extra_checks().items()


def report(client):
    outcomes = [{"name": name, "problem": outcome(check)} for name, check in checks_of(client)]
    print(json.dumps(outcomes), file=sys.__stdout__, flush=True)

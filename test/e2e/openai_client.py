"""The official Python client against a running Conclave: BASE_URL and API_KEY in the environment, exit code 0 when all holds."""
import os

import openai

client = openai.OpenAI(base_url=os.environ["BASE_URL"], api_key=os.environ["API_KEY"], max_retries=0)
ask = {
    "model": os.environ["MODEL"],
    "messages": [{"role": "user", "content": "Tell me a story"}],
    "max_tokens": 32,
    "temperature": 0.8,
    "seed": 7,
}


def streamed(**changes):
    chunks = client.chat.completions.create(**{**ask, **changes}, stream=True)
    return "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices)


whole = client.chat.completions.create(**ask)
text = whole.choices[0].message.content
assert text, "an answer without text"
assert whole.usage.completion_tokens <= 32
assert streamed() == text, "the stream is another text"

stop = text[5:8]
stopped = client.chat.completions.create(**ask, stop=stop).choices[0]
assert (stopped.message.content, stopped.finish_reason) == (text[: text.index(stop)], "stop"), stopped
assert streamed(stop=[stop]) == text[: text.index(stop)]

two = client.chat.completions.create(**ask, n=2).choices
assert [choice.index for choice in two] == [0, 1]
assert two[0].message.content == text != two[1].message.content

first = client.chat.completions.create(**ask, logprobs=True, top_logprobs=3).choices[0].logprobs.content[0]
assert len(first.top_logprobs) == 3 and first.logprob <= first.top_logprobs[0].logprob <= 0

completion = client.completions.create(model=ask["model"], prompt="Once", max_tokens=8, seed=7)
assert completion.usage.completion_tokens <= 8
assert [model.id for model in client.models.list()] == [ask["model"]]


def refused(kind, status, api=client, **changes):
    try:
        api.chat.completions.create(**{**ask, **changes})
    except kind as error:
        assert error.status_code == status and error.code, error
    else:
        raise AssertionError(f"not refused: {changes}")


refused(openai.NotFoundError, 404, model="gpt-9")
refused(openai.BadRequestError, 400, max_tokens=0)
refused(openai.AuthenticationError, 401, api=client.with_options(api_key="cvk_nobody"))

with client.chat.completions.create(**{**ask, "max_tokens": 2000}, stream=True) as stream:
    print(next(iter(stream)).id)

"""litellm, with the prefix `openai/` that means a server which speaks OpenAI's API."""

import contextlib

import litellm
from checks import API_KEY, BASE_URL, CASES, MODEL, Client, equal, read, report


def user(text):
    return {"role": "user", "content": text}


class LiteLlm(Client):
    errors = {
        "wrong key": litellm.AuthenticationError,
        "unknown model": litellm.NotFoundError,
        "bad request": litellm.BadRequestError,
        "context length": litellm.ContextWindowExceededError,
        "rate limit": litellm.RateLimitError,
    }

    def complete(self, messages, key=API_KEY, model=MODEL, **fields):
        target = {"model": f"openai/{model}", "api_base": BASE_URL, "api_key": key}
        return litellm.completion(**target, messages=messages, max_retries=0, **fields)

    def answer(self, question, **fields):
        return self.complete([user(question)], **fields).choices[0].message.content

    def stream(self, question, leave=False, **fields):
        return read(self.texts(question, **fields), leave)

    def texts(self, question, **fields):
        with contextlib.closing(self.complete([user(question)], stream=True, **fields)) as chunks:
            for chunk in chunks:
                yield chunk.choices[0].delta.content or ""

    def converse(self, first, second, **fields):
        messages = [user(first)]
        messages += [self.complete(messages, **fields).choices[0].message, user(second)]
        return messages[1].content, self.complete(messages, **fields).choices[0].message.content

    def extra_checks(self):
        return {"streamed message as history": self.continue_after_stream}

    def continue_after_stream(self):
        messages = [user(CASES["question"])]
        chunks = list(self.complete(messages, stream=True, **CASES["sampling"]))
        message = litellm.stream_chunk_builder(chunks, messages=messages).choices[0].message
        again = self.complete([*messages, message, user(CASES["followUp"])], **CASES["sampling"])
        equal(again.choices[0].message.content, CASES["followUpAnswer"])


report(LiteLlm())

"""llama-index: OpenAILike, for servers that speak OpenAI's API."""

import contextlib

import openai
from checks import API_KEY, BASE_URL, CASES, MODEL, Client, equal, read, report
from llama_index.core.llms import ChatMessage
from llama_index.llms.openai_like import OpenAILike


def connect(key=API_KEY, model=MODEL, temperature=0, max_tokens=None, **fields):
    return OpenAILike(
        api_base=BASE_URL,
        api_key=key,
        model=model,
        is_chat_model=True,
        context_window=2048,
        max_retries=0,
        temperature=temperature,
        max_tokens=max_tokens,
        additional_kwargs=fields,
    )


def user(text):
    return ChatMessage(role="user", content=text)


class LlamaIndex(Client):
    errors = {
        "wrong key": openai.AuthenticationError,
        "unknown model": openai.NotFoundError,
        "bad request": openai.BadRequestError,
        "context length": openai.BadRequestError,
        "rate limit": openai.RateLimitError,
    }

    def answer(self, question, **fields):
        return connect(**fields).chat([user(question)]).message.content

    def stream(self, question, leave=False, **fields):
        return read(self.texts(question, **fields), leave)

    def texts(self, question, **fields):
        with contextlib.closing(connect(**fields).stream_chat([user(question)])) as pieces:
            for piece in pieces:
                yield piece.delta or ""

    def converse(self, first, second, **fields):
        llm, messages = connect(**fields), [user(first)]
        messages += [llm.chat(messages).message, user(second)]
        return messages[1].content, llm.chat(messages).message.content

    def extra_checks(self):
        return {"streamed message as history": self.continue_after_stream, "completion": self.complete}

    def continue_after_stream(self):
        llm, messages = connect(**CASES["sampling"]), [user(CASES["question"])]
        *_, last = llm.stream_chat(messages)
        again = llm.chat([*messages, last.message, user(CASES["followUp"])])
        equal(again.message.content, CASES["followUpAnswer"])

    def complete(self):
        equal(connect(**CASES["sampling"]).complete(CASES["question"]).text, CASES["answer"])


report(LlamaIndex())

"""langchain-openai: ChatOpenAI, and OpenAI, which sends prompts as a list."""

import contextlib

from checks import API_KEY, BASE_URL, CASES, MODEL, TOOL, Client, equal, get_weather, read, report
from langchain_core import exceptions
from langchain_core.messages import HumanMessage
from langchain_core.tools import tool
from langchain_openai import ChatOpenAI
from langchain_openai import OpenAI as Completions

CONNECTION = {"base_url": BASE_URL, "max_retries": 0}


def connect(key=API_KEY, model=MODEL, **fields):
    return ChatOpenAI(**CONNECTION, api_key=key, model=model, **fields)


class LangChain(Client):
    errors = {
        "wrong key": exceptions.ModelAuthenticationError,
        "unknown model": exceptions.ModelNotFoundError,
        "bad request": exceptions.ModelInvalidRequestError,
        "context length": exceptions.ContextOverflowError,
        "rate limit": exceptions.ModelRateLimitError,
    }

    def answer(self, question, **fields):
        return connect(**fields).invoke(question).content

    def stream(self, question, leave=False, **fields):
        return read(self.texts(question, **fields), leave)

    def texts(self, question, **fields):
        with contextlib.closing(connect(**fields).stream(question)) as chunks:
            for chunk in chunks:
                yield chunk.content

    def converse(self, first, second, **fields):
        chat, messages = connect(**fields), [HumanMessage(first)]
        messages += [chat.invoke(messages), HumanMessage(second)]
        return messages[1].content, chat.invoke(messages).content

    def extra_checks(self):
        return {
            "streamed message as history": self.continue_after_stream,
            "list of prompts": self.prompts,
            "tools in a loop": self.tools,
        }

    def continue_after_stream(self):
        chat, messages = connect(**CASES["sampling"]), [HumanMessage(CASES["question"])]
        whole = None
        for chunk in chat.stream(messages):
            whole = chunk if whole is None else whole + chunk
        equal(chat.invoke([*messages, whole, HumanMessage(CASES["followUp"])]).content, CASES["followUpAnswer"])

    def tools(self):
        weather = tool(get_weather)
        chat, messages = connect(temperature=0).bind_tools([weather]), [HumanMessage(TOOL["question"])]
        messages.append(chat.invoke(messages))
        messages += [weather.invoke(call) for call in messages[-1].tool_calls]
        equal(chat.invoke(messages).content, TOOL["answer"])

    def prompts(self):
        model = Completions(**CONNECTION, api_key=API_KEY, model=MODEL, temperature=0, max_tokens=8)
        one, other = "Once upon a time", "What is the capital of France?"
        texts = [batch[0].text for batch in model.generate([one, other]).generations]
        equal(texts, [model.invoke(one), model.invoke(other)])


report(LangChain())

"""autogen: its model client, which names the sender of each message, and an agent of several turns."""

import contextlib

import openai
from autogen_agentchat.agents import AssistantAgent
from autogen_core.models import AssistantMessage, UserMessage
from autogen_ext.models.openai import OpenAIChatCompletionClient
from checks import API_KEY, BASE_URL, CASES, LOOP, MODEL, TOOL, Client, equal, get_weather, read_async, report

ABILITIES = {
    "vision": False,
    "function_calling": True,
    "json_output": False,
    "structured_output": False,
    "family": "unknown",
}


def connect(key=API_KEY, model=MODEL, **fields):
    return OpenAIChatCompletionClient(
        model=model, base_url=BASE_URL, api_key=key, model_info=ABILITIES, max_retries=0, **fields
    )


def user(text):
    return UserMessage(content=text, source="reader")


async def texts(client, question):
    async with contextlib.aclosing(client.create_stream([user(question)])) as pieces:
        async for piece in pieces:
            if isinstance(piece, str):
                yield piece


class AutoGen(Client):
    errors = {
        "wrong key": openai.AuthenticationError,
        "unknown model": openai.NotFoundError,
        "bad request": openai.BadRequestError,
        "context length": openai.BadRequestError,
        "rate limit": openai.RateLimitError,
    }

    def create(self, messages, **fields):
        return LOOP.run_until_complete(connect(**fields).create(messages)).content

    def answer(self, question, **fields):
        return self.create([user(question)], **fields)

    def stream(self, question, leave=False, **fields):
        return read_async(texts(connect(**fields), question), leave)

    def converse(self, first, second, **fields):
        messages = [user(first)]
        one = self.create(messages, **fields)
        messages += [AssistantMessage(content=one, source="assistant"), user(second)]
        return one, self.create(messages, **fields)

    def extra_checks(self):
        return {
            "agent of several turns": lambda: LOOP.run_until_complete(self.agent(streamed=False)),
            "agent that streams": lambda: LOOP.run_until_complete(self.agent(streamed=True)),
            "agent with tools": lambda: LOOP.run_until_complete(self.tools()),
        }

    async def agent(self, streamed):
        client = connect(**CASES["sampling"])
        agent = AssistantAgent("guide", client, system_message=None, model_client_stream=streamed)
        equal((await agent.run(task=CASES["question"])).messages[-1].content, CASES["answer"])
        equal((await agent.run(task=CASES["followUp"])).messages[-1].content, CASES["followUpAnswer"])

    async def tools(self):
        client = connect(temperature=0)
        agent = AssistantAgent("guide", client, tools=[get_weather], system_message=None, max_tool_iterations=3)
        equal((await agent.run(task=TOOL["question"])).messages[-1].content, TOOL["answer"])


report(AutoGen())

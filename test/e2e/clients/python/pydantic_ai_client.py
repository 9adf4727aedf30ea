"""pydantic-ai: an agent, its second run with the messages of the first."""

import openai
from checks import API_KEY, BASE_URL, CASES, LOOP, MODEL, TOOL, Client, equal, get_weather, read_async, report
from pydantic_ai import Agent, exceptions
from pydantic_ai.models.openai import OpenAIChatModel
from pydantic_ai.providers.openai import OpenAIProvider


def connect(key=API_KEY, model=MODEL, **fields):
    client = openai.AsyncOpenAI(base_url=BASE_URL, api_key=key, max_retries=0)
    return Agent(OpenAIChatModel(model, provider=OpenAIProvider(openai_client=client)), model_settings=fields)


async def texts(agent, question):
    async with agent.run_stream(question) as result:
        async for text in result.stream_text(delta=True, debounce_by=None):
            yield text


class PydanticAi(Client):
    errors = {
        "wrong key": exceptions.ModelAuthenticationError,
        "unknown model": exceptions.ModelNotFoundError,
        "bad request": exceptions.ModelRequestRejectedError,
        "context length": exceptions.ModelContextWindowExceededError,
        "rate limit": exceptions.ModelRateLimitError,
    }

    def answer(self, question, **fields):
        return LOOP.run_until_complete(connect(**fields).run(question)).output

    def stream(self, question, leave=False, **fields):
        return read_async(texts(connect(**fields), question), leave)

    def converse(self, first, second, **fields):
        agent = connect(**fields)
        one = LOOP.run_until_complete(agent.run(first))
        two = LOOP.run_until_complete(agent.run(second, message_history=one.all_messages()))
        return one.output, two.output

    def extra_checks(self):
        return {
            "streamed message as history": lambda: LOOP.run_until_complete(self.continue_after_stream()),
            "tools in a loop": self.tools,
        }

    def tools(self):
        agent = connect(temperature=0)
        agent.tool_plain(get_weather)
        equal(LOOP.run_until_complete(agent.run(TOOL["question"])).output, TOOL["answer"])

    async def continue_after_stream(self):
        agent = connect(**CASES["sampling"])
        async with agent.run_stream(CASES["question"]) as result:
            equal(await result.get_output(), CASES["answer"])
        again = await agent.run(CASES["followUp"], message_history=result.all_messages())
        equal(again.output, CASES["followUpAnswer"])


report(PydanticAi())

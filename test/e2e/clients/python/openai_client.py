"""openai: the official Python client, and what only it is asked."""

import openai
import pydantic
from checks import API_KEY, BASE_URL, CASES, MODEL, QUESTION, TOOL, Client, equal, get_weather, read, report

SAMPLED = {"max_tokens": 32, "temperature": 0.8, "seed": 7}


def connect(key=API_KEY):
    return openai.OpenAI(base_url=BASE_URL, api_key=key, max_retries=0)


def user(text):
    return {"role": "user", "content": text}


class Weather(pydantic.BaseModel):
    city: str


class OpenAI(Client):
    errors = {
        "wrong key": openai.AuthenticationError,
        "unknown model": openai.NotFoundError,
        "bad request": openai.BadRequestError,
        "context length": openai.BadRequestError,
        "rate limit": openai.RateLimitError,
    }

    def create(self, messages, key=API_KEY, model=MODEL, **fields):
        return connect(key).chat.completions.create(model=model, messages=messages, **fields)

    def answer(self, question, **fields):
        return self.create([user(question)], **fields).choices[0].message.content

    def stream(self, question, leave=False, **fields):
        return read(self.texts(question, **fields), leave)

    def texts(self, question, **fields):
        with self.create([user(question)], stream=True, **fields) as chunks:
            for chunk in chunks:
                yield chunk.choices[0].delta.content or ""

    def converse(self, first, second, **fields):
        messages = [user(first)]
        one = self.create(messages, **fields).choices[0].message
        messages += [one, user(second)]
        two = self.create(messages, **fields).choices[0].message
        return one.content, two.content

    def extra_checks(self):
        return {
            "streamed message as history": self.continue_after_stream,
            "stop strings": self.stop,
            "choices": self.choices,
            "log-probabilities": self.logprobs,
            "completions and models": self.completions,
            "tools in a loop": self.tools,
        }

    def continue_after_stream(self):
        messages = [user(QUESTION)]
        with connect().chat.completions.stream(model=MODEL, messages=messages, **CASES["sampling"]) as stream:
            messages += [stream.get_final_completion().choices[0].message, user(CASES["followUp"])]
        message = self.create(messages, **CASES["sampling"]).choices[0].message
        equal(message.content, CASES["followUpAnswer"])

    def stop(self):
        text = self.answer("Tell me a story", **SAMPLED)
        stop = text[5:8]
        expected = text[: text.index(stop)]
        choice = self.create([user("Tell me a story")], stop=stop, **SAMPLED).choices[0]
        equal((choice.message.content, choice.finish_reason), (expected, "stop"))
        equal("".join(self.stream("Tell me a story", stop=[stop], **SAMPLED)), expected)

    def choices(self):
        text = self.answer("Tell me a story", **SAMPLED)
        two = self.create([user("Tell me a story")], n=2, **SAMPLED).choices
        equal([choice.index for choice in two], [0, 1])
        equal(two[0].message.content, text)
        assert two[1].message.content != text

    def logprobs(self):
        choice = self.create([user(QUESTION)], logprobs=True, top_logprobs=3, **SAMPLED).choices[0]
        first = choice.logprobs.content[0]
        equal(len(first.top_logprobs), 3)
        assert first.logprob <= first.top_logprobs[0].logprob <= 0

    def tools(self):
        """The helper parses the arguments by the model of pydantic, and demands a strict tool for that."""
        fields = {"model": MODEL, "temperature": 0, "tools": [openai.pydantic_function_tool(Weather, name="get_weather")]}
        messages = [user(TOOL["question"])]
        message = connect().chat.completions.parse(messages=messages, **fields).choices[0].message
        with connect().chat.completions.stream(messages=messages, **fields) as stream:
            streamed = stream.get_final_completion().choices[0].message
        equal([call.function for call in streamed.tool_calls], [call.function for call in message.tool_calls])
        messages.append(message)
        for call in message.tool_calls:
            result = get_weather(call.function.parsed_arguments.city)
            messages.append({"role": "tool", "tool_call_id": call.id, "content": result})
        equal(connect().chat.completions.parse(messages=messages, **fields).choices[0].message.content, TOOL["answer"])

    def completions(self):
        completion = connect().completions.create(model=MODEL, prompt="Once", max_tokens=8, seed=7)
        assert completion.usage.completion_tokens <= 8
        equal([model.id for model in connect().models.list()], [MODEL])


report(OpenAI())

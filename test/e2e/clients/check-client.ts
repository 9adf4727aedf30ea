// The checks that a Node client passes; python/checks.py has the same ones for Python.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { CASES, type RequestFields } from './cases.ts';

export interface Target {
  readonly baseURL: string;
  readonly apiKey: string;
  readonly model: string;
}

/** Targets of one client: a tenant of its own, and another one with one request a minute. */
export interface ClientTargets {
  readonly target: Target;
  readonly limited: Target;
}

export interface ChatClient {
  answer(question: string, fields: RequestFields): Promise<string>;
  stream(question: string, fields: RequestFields, signal: AbortSignal): AsyncIterable<string>;
  /** Both answers; the second request holds the very object that the client returned for the first. */
  converse(first: string, second: string, fields: RequestFields): Promise<readonly [string, string]>;
  /** The same, the first answer streamed. */
  converseStreamed(first: string, second: string, fields: RequestFields): Promise<readonly [string, string]>;
  /** Answers by means of `get_weather`, in the client's own loop of calls and results. */
  useTool(question: string, getWeather: GetWeather, streamed: boolean): Promise<string>;
}

/** The result for a city, as text. */
export type GetWeather = (city: string) => string;

export interface ClientKind {
  readonly name: string;
  connect(target: Target): ChatClient;
  /** Is it the error that this client's users catch for the status? */
  isRefusal(error: unknown, status: number): boolean;
}

const { question, answer, followUp, followUpAnswer, sampling, emoji } = CASES;

/** Declares the tests of one client inside a `describe`. */
export function checkClient({ connect, isRefusal }: ClientKind, targets: () => ClientTargets): void {
  const client = () => connect(targets().target);

  test('chat', async () => assert.equal(await client().answer(question, sampling), answer));

  test('stream', async () => {
    const pieces = await piecesOf(client(), sampling);
    assert.equal(pieces.join(''), answer);
    assert.ok(pieces.filter(Boolean).length > 1, `came as one piece: ${JSON.stringify(pieces)}`);
  });

  test('second turn', async () => {
    assert.deepEqual(await client().converse(question, followUp, sampling), [answer, followUpAnswer]);
  });

  test('streamed message as history', async () => {
    assert.deepEqual(await client().converseStreamed(question, followUp, sampling), [answer, followUpAnswer]);
  });

  test('long conversation', async () => {
    const fields = { ...CASES.endless, max_tokens: CASES.longAnswerTokens };
    const texts = await client().converse(question, followUp, fields);
    for (const { length } of texts) assert.ok(length > 500, `${length} characters`);
  });

  test('unicode', async () => {
    const whole = await client().answer(question, emoji.fields);
    assert.ok(whole.includes(emoji.text), whole);
    const pieces = await piecesOf(client(), emoji.fields);
    assert.equal(pieces.join(''), whole);
  });

  for (const streamed of [false, true]) {
    test(`tools in a loop${streamed ? ', streamed' : ''}`, async () => {
      const cities: string[] = [];
      const getWeather = (city: string) => {
        cities.push(city);
        return CASES.tool.result;
      };
      assert.equal(await client().useTool(CASES.tool.question, getWeather, streamed), CASES.tool.answer);
      assert.deepEqual(cities, [CASES.tool.city]);
    });
  }

  test('leave', async () => {
    const leaving = new AbortController();
    for await (const text of client().stream(question, CASES.endless, leaving.signal)) {
      if (text !== '') break;
    }
    leaving.abort();
  });

  checkRefusals({ connect, isRefusal }, targets);
}

async function piecesOf(client: ChatClient, fields: RequestFields): Promise<readonly string[]> {
  const pieces: string[] = [];
  for await (const piece of client.stream(question, fields, new AbortController().signal)) pieces.push(piece);
  return pieces;
}

function checkRefusals(
  { connect, isRefusal }: Pick<ClientKind, 'connect' | 'isRefusal'>,
  targets: () => ClientTargets,
) {
  const refused = (name: string, status: number, ask: (targets: ClientTargets) => Promise<unknown>) =>
    test(name, () => assert.rejects(ask(targets()), (error) => isRefusal(error, status) || assert.fail(String(error))));
  const askOnce = (target: Target, fields = sampling, text = question) => connect(target).answer(text, fields);

  refused('wrong key', 401, ({ target }) => askOnce({ ...target, apiKey: CASES.unknownKey }));
  refused('unknown model', 404, ({ target }) => askOnce({ ...target, model: CASES.unknownModel }));
  refused('bad request', 400, ({ target }) => askOnce(target, { ...sampling, ...CASES.badRequest }));
  refused('context length', 400, ({ target }) => askOnce(target, sampling, 'word '.repeat(CASES.tooLongWords)));
  refused('rate limit', 429, async ({ limited }) => {
    for (let count = 0; count < 2; count += 1) await askOnce(limited);
  });
}
